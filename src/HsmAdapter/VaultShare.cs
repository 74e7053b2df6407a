using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace GatewaySecure.HsmAdapter;

/// <summary>
/// One officer's share of a backup key, protected by his own passphrase (PBKDF2-HMAC-SHA-512, AES-256-GCM), as a text that can be kept as a
/// file, or printed and typed in again: spaces and line ends between digits don't matter, and a checksum tells typing errors before any passphrase is tried.
/// </summary>
/// <param name="Backup">Which backup it opens.</param>
/// <param name="Box">Salt (16) ‖ ciphertext ‖ tag (16).</param>
public sealed record VaultShare(string Backup, int Number, int Count, int Threshold, string Officer, int Iterations, byte[] Box)
{
    private const string Title = "GatewaySecure vault share 1";
    private const int SaltSize = 16;
    private const int TagSize = 16;

    internal static VaultShare Protect(VaultShare share, ReadOnlySpan<byte> secret, string passphrase)
    {
        var box = new byte[SaltSize + secret.Length + TagSize];
        RandomNumberGenerator.Fill(box.AsSpan(0, SaltSize));
        using var gcm = share.Cipher(box.AsSpan(0, SaltSize), passphrase);
        // The key is this box's alone: the salt is fresh.
        gcm.Encrypt(new byte[12], secret, box.AsSpan(SaltSize, secret.Length), box.AsSpan(SaltSize + secret.Length), share.Context());
        return share with { Box = box };
    }

    /// <exception cref="CryptographicException">The passphrase is another one, or the share was changed.</exception>
    public byte[] Open(string passphrase)
    {
        var secret = GC.AllocateArray<byte>(Box.Length - SaltSize - TagSize, pinned: true);
        using var gcm = Cipher(Box.AsSpan(0, SaltSize), passphrase);
        try
        {
            gcm.Decrypt(new byte[12], Box.AsSpan(SaltSize, secret.Length), Box.AsSpan(SaltSize + secret.Length), secret, Context());
            return secret;
        }
        catch (AuthenticationTagMismatchException)
        {
            throw new CryptographicException($"The passphrase of {Officer}'s share is another one.");
        }
    }

    public string ToText()
    {
        var digits = Convert.ToHexString(Box);
        var text = new StringBuilder()
            .AppendLine(Title)
            .AppendLine(CultureInfo.InvariantCulture, $"backup: {Backup}")
            .AppendLine(CultureInfo.InvariantCulture, $"share: {Number} of {Count}, any {Threshold} restore the vault key")
            .AppendLine(CultureInfo.InvariantCulture, $"officer: {Officer}")
            .AppendLine(CultureInfo.InvariantCulture, $"iterations: {Iterations}");
        foreach (var line in digits.Chunk(32))
            text.Append("data:").AppendJoin("", line.Chunk(4).Select(g => " " + new string(g))).AppendLine();
        return text.AppendLine(CultureInfo.InvariantCulture, $"checksum: {Checksum()}").ToString().ReplaceLineEndings("\n");
    }

    /// <exception cref="InvalidDataException">Not a share, or mistyped.</exception>
    public static VaultShare Parse(string text)
    {
        var lines = text.ReplaceLineEndings("\n").Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        string Field(string name) => lines.FirstOrDefault(l => l.StartsWith(name + ":", StringComparison.OrdinalIgnoreCase))?[(name.Length + 1)..].Trim() ?? "";
        var numbers = Field("share").Split([' ', ',', 'o', 'f', 'a', 'n', 'y'], StringSplitOptions.RemoveEmptyEntries);
        var data = string.Concat(lines
            .Where(l => l.StartsWith("data:", StringComparison.OrdinalIgnoreCase))
            .SelectMany(l => l[5..].Where(c => !char.IsWhiteSpace(c))));
        try
        {
            if (lines is not [Title, ..] || numbers.Length < 3)
                throw new InvalidDataException("This is no share of a vault key.");
            var share = new VaultShare(
                Field("backup"), Digits(numbers[0]), Digits(numbers[1]), Digits(numbers[2]), Field("officer"), Digits(Field("iterations")), Convert.FromHexString(data));
            if (share.Box.Length <= SaltSize + TagSize || !share.Checksum().Equals(Field("checksum"), StringComparison.OrdinalIgnoreCase))
                throw new InvalidDataException($"The share of {share.Officer} does not match its checksum; compare it with the print, character by character.");
            return share;
        }
        catch (FormatException)
        {
            throw new InvalidDataException("This share has a number or a digit that is none; compare it with the print, character by character.");
        }
    }

    private static int Digits(string text) => int.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture);

    private byte[] Context() => Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{Title}\n{Backup}\n{Number}/{Count}/{Threshold}\n{Officer}\n{Iterations}"));

    private string Checksum() => Convert.ToHexString(SHA256.HashData([.. Context(), .. Box]).AsSpan(0, 4));

    private AesGcm Cipher(ReadOnlySpan<byte> salt, string passphrase)
    {
        Span<byte> key = stackalloc byte[32];
        Rfc2898DeriveBytes.Pbkdf2(passphrase.Normalize(NormalizationForm.FormC), salt, key, Iterations, HashAlgorithmName.SHA512);
        var gcm = new AesGcm(key, TagSize);
        CryptographicOperations.ZeroMemory(key);
        return gcm;
    }
}
