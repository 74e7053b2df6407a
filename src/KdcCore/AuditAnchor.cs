using System.Security.Cryptography;
using System.Text.Json;

namespace GatewaySecure.KdcCore;

/// <summary>
/// How far the audit chain was at some moment, signed by the vault's audit key. One that is kept elsewhere shows later that nothing before
/// it was cut off or written anew.
/// </summary>
/// <param name="Sequence">Of the last line.</param>
/// <param name="Hash">That line's link, hexadecimal in lower case.</param>
/// <param name="Key">SubjectPublicKeyInfo of the audit key.</param>
/// <param name="Signature">ECDSA with SHA-256, r ‖ s.</param>
public sealed record AuditAnchor(string Realm, long Sequence, string Hash, DateTimeOffset At, byte[] Key, byte[] Signature)
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { RespectRequiredConstructorParameters = true };

    public static AuditAnchor Sign(Realm realm, long sequence, string hash, DateTimeOffset now, ECDsa key)
    {
        ArgumentNullException.ThrowIfNull(realm);
        ArgumentNullException.ThrowIfNull(key);
        var at = Der.WholeSeconds(now);
        var signature = key.SignData(
            Signed(realm.Name, sequence, hash, at), HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        return new AuditAnchor(realm.Name, sequence, hash, at, key.ExportSubjectPublicKeyInfo(), signature);
    }

    /// <summary>Whether the key in it signed it. Whose key that is, the caller decides.</summary>
    public bool IsSigned()
    {
        try
        {
            using var key = ECDsa.Create();
            key.ImportSubjectPublicKeyInfo(Key, out _);
            return key.VerifyData(
                Signed(Realm, Sequence, Hash, At), Signature, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    /// <summary>One line of JSON.</summary>
    public string ToLine() => JsonSerializer.Serialize(this, Json);

    /// <returns>Null where the line is no anchor.</returns>
    public static AuditAnchor? Parse(string line)
    {
        try
        {
            return JsonSerializer.Deserialize<AuditAnchor>(line, Json);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>label ‖ DER(SEQUENCE { realm, sequence, hash, time }).</summary>
    private static byte[] Signed(string realm, long sequence, string hash, DateTimeOffset at) =>
        [.. "GatewaySecure/kdc/audit-anchor/1"u8, .. Der.Encode(w =>
        {
            using var _ = w.PushSequence();
            w.WriteText(realm);
            w.WriteInteger(sequence);
            w.WriteText(hash);
            w.WriteTime(at);
        })];
}
