using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using GatewaySecure.Addresses;

namespace GatewaySecure.KdcCore;

/// <summary>
/// A mail address as it stands in the audit chain: under a random key of its principal, so that throwing the key away makes it unreadable for
/// ever while the chain still verifies. <c>sealed:</c> principal <c>:</c> base64url of nonce ‖ AES-256-GCM ‖ tag, the principal's id as
/// additional data.
/// </summary>
public static partial class SealedAddress
{
    public const int KeySize = 32;

    private const int NonceSize = 12;
    private const int TagSize = 16;

    public static byte[] NewKey() => RandomNumberGenerator.GetBytes(KeySize);

    public static string Seal(PrincipalId owner, ReadOnlySpan<byte> key, MailAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        var plain = Encoding.UTF8.GetBytes(address.ToString());
        var box = new byte[NonceSize + plain.Length + TagSize];
        RandomNumberGenerator.Fill(box.AsSpan(0, NonceSize));
        using var gcm = new AesGcm(key, TagSize);
        gcm.Encrypt(
            box.AsSpan(0, NonceSize), plain, box.AsSpan(NonceSize, plain.Length), box.AsSpan(NonceSize + plain.Length), owner.ToOctets());
        return $"sealed:{owner}:{Base64Url.EncodeToString(box)}";
    }

    /// <summary>The event with every address in it readable, or <c>(forgotten)</c> in its place.</summary>
    public static async ValueTask<AuditEvent> ShowAsync(AuditEvent sealedEvent, IPrincipalStore principals, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(sealedEvent);
        return sealedEvent with
        {
            Subject = await ShowAsync(sealedEvent.Subject, principals, cancellationToken),
            Detail = await ShowAsync(sealedEvent.Detail, principals, cancellationToken),
        };
    }

    /// <summary>The text with every address in it readable, or <c>(forgotten)</c> in its place.</summary>
    private static async ValueTask<string> ShowAsync(string text, IPrincipalStore principals, CancellationToken cancellationToken)
    {
        var shown = new StringBuilder();
        var at = 0;
        foreach (Match match in Pattern().Matches(text))
        {
            shown.Append(text, at, match.Index - at);
            var key = PrincipalId.TryParse(match.Groups[1].Value, out var owner) ? await principals.FindAuditKeyAsync(owner, cancellationToken) : null;
            shown.Append((key is null ? null : Open(owner, key, match.Groups[2].ValueSpan)) ?? "(forgotten)");
            at = match.Index + match.Length;
        }
        return shown.Append(text, at, text.Length - at).ToString();
    }

    private static string? Open(PrincipalId owner, byte[] key, ReadOnlySpan<char> encoded)
    {
        try
        {
            var box = Base64Url.DecodeFromChars(encoded);
            if (box.Length < NonceSize + TagSize)
                return null;
            var plain = new byte[box.Length - NonceSize - TagSize];
            using var gcm = new AesGcm(key, TagSize);
            gcm.Decrypt(box.AsSpan(0, NonceSize), box.AsSpan(NonceSize, plain.Length), box.AsSpan(NonceSize + plain.Length), plain, owner.ToOctets());
            return Encoding.UTF8.GetString(plain);
        }
        catch (Exception e) when (e is AuthenticationTagMismatchException or FormatException)
        {
            return null;
        }
    }

    [GeneratedRegex("sealed:([0-9a-f]{32}):([A-Za-z0-9_-]+)")]
    private static partial Regex Pattern();
}
