using System.Globalization;
using System.Security.Cryptography;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>Passwords as the configuration keeps them: <c>pbkdf2-sha256$iterations$salt$hash</c>, the last two in base64 (RFC 8018 §5.2).</summary>
internal static class PasswordHash
{
    private const string Scheme = "pbkdf2-sha256";
    private const int Iterations = 600_000;

    /// <summary>Fewer can be tried out too fast by whoever reads the configuration.</summary>
    private const int MinimumIterations = 100_000;

    /// <summary>A mistyped number must not keep the gateway busy for minutes at each log-on.</summary>
    private const int MaximumIterations = 10_000_000;
    private const int HashSize = 32;

    public static string Create(string password)
    {
        var salt = RandomNumberGenerator.GetBytes(16);
        var hash = Rfc2898DeriveBytes.Pbkdf2(password, salt, Iterations, HashAlgorithmName.SHA256, HashSize);
        return $"{Scheme}${Iterations}${Convert.ToBase64String(salt)}${Convert.ToBase64String(hash)}";
    }

    public static bool IsWellFormed(string text) => TryParse(text, out _, out _, out _);

    /// <summary>Takes as long for a wrong password as for the right one. False where the hash is malformed.</summary>
    public static bool Verify(string password, string text)
    {
        if (!TryParse(text, out var iterations, out var salt, out var hash))
            return false;
        var given = Rfc2898DeriveBytes.Pbkdf2(password, salt, iterations, HashAlgorithmName.SHA256, hash.Length);
        return CryptographicOperations.FixedTimeEquals(given, hash);
    }

    private static bool TryParse(string text, out int iterations, out byte[] salt, out byte[] hash)
    {
        (iterations, salt, hash) = (0, [], []);
        var parts = text.Split('$');
        if (parts.Length != 4 || parts[0] != Scheme)
            return false;
        if (!int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out iterations) || iterations is < MinimumIterations or > MaximumIterations)
            return false;
        try
        {
            (salt, hash) = (Convert.FromBase64String(parts[2]), Convert.FromBase64String(parts[3]));
            return salt.Length >= 8 && hash.Length == HashSize;
        }
        catch (FormatException)
        {
            return false;
        }
    }
}
