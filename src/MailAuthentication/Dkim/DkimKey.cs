using System.Security.Cryptography;
using GatewaySecure.Dns;
using Org.BouncyCastle.Crypto.Parameters;
using Org.BouncyCastle.Crypto.Signers;

namespace GatewaySecure.MailAuthentication.Dkim;

/// <summary>A public key as a domain publishes it (RFC 6376 §3.6.1, RFC 8463 §4), ready to verify with.</summary>
internal sealed class DkimKey
{
    private const int LeastRsaBits = 1024;
    private const int MostRsaBits = 8192;
    private const int Ed25519Length = 32;

    private readonly RSAParameters? _rsa;
    private readonly Ed25519PublicKeyParameters? _ed25519;

    private DkimKey(RSAParameters? rsa, Ed25519PublicKeyParameters? ed25519) => (_rsa, _ed25519) = (rsa, ed25519);

    /// <summary>t=s: the signing identity must be of exactly the signing domain.</summary>
    public bool IsStrict { get; private init; }

    /// <summary>t=y: its domain only tries DKIM out.</summary>
    public bool IsTest { get; private init; }

    /// <summary>Null is never given back with a null reason: either there is a key, or the result says why not.</summary>
    public static async ValueTask<(DkimKey? Key, AuthenticationResult Result, string Reason)> FindAsync(
        DkimSignature signature, IDnsResolver dns, CancellationToken cancellationToken)
    {
        var name = $"{signature.Selector}._domainkey.{signature.Domain}";
        var answer = await dns.TxtAsync(name, cancellationToken);
        if (answer is DnsFailed<string> failed)
            return (null, AuthenticationResult.TempError, $"the key can't be looked up: {failed.Reason}");
        if (answer.Records.IsEmpty)
            return (null, AuthenticationResult.PermError, $"there is no key at {name}");
        // RFC 6376 §3.6.2.2: more than one is undefined; the first that is a key at all serves.
        var (key, reason) = (default(DkimKey), "");
        foreach (var record in answer.Records)
        {
            (key, reason) = Parse(record, signature.Algorithm[..signature.Algorithm.IndexOf('-', StringComparison.Ordinal)]);
            if (key is not null)
                break;
        }
        return key is null ? (null, AuthenticationResult.PermError, reason) : (key, AuthenticationResult.None, "");
    }

    /// <param name="type"><c>rsa</c> or <c>ed25519</c>, as the signature wants it.</param>
    public static (DkimKey? Key, string Reason) Parse(string record, string type)
    {
        if (!TagList.TryParse(record, out var tags))
            return (null, "the key record is malformed");
        if (tags["v"] is { } version && (version != "DKIM1" || tags.First != "v"))
            return (null, "the key record is not of version DKIM1");
        if (tags["p"] is null)
            return (null, "the key record holds no key");
        if (tags.Compact("p") is "")
            return (null, "the key was revoked");
        if (!(tags["k"] ?? "rsa").Equals(type, StringComparison.OrdinalIgnoreCase))
            return (null, $"the key is not of the signature's type, {type}");
        if (tags.Words("h") is { } hashes && !hashes.Contains("sha256", StringComparer.OrdinalIgnoreCase))
            return (null, "the key is not meant for SHA-256");
        if (tags.Words("s") is { } services && !services.Any(s => s is "*" || s.Equals("email", StringComparison.OrdinalIgnoreCase)))
            return (null, "the key is not meant for mail");
        var flags = tags.Words("t") ?? [];
        if (TagList.Base64(tags.Compact("p")) is not { } octets)
            return (null, "the key is not base64");
        if (type == "ed25519")
        {
            return ReadEd25519(octets) is { } point
                ? (new DkimKey(null, point) { IsStrict = flags.Contains("s"), IsTest = flags.Contains("y") }, "")
                : (null, "the key is no Ed25519 key");
        }
        if (ReadRsa(octets) is not { } rsa)
            return (null, "the key is no RSA key");
        var bits = BitsOf(rsa);
        // RFC 8301 §3.2.
        return bits is < LeastRsaBits or > MostRsaBits
            ? (null, $"an RSA key of {bits} bits is not accepted (RFC 8301)")
            : (new DkimKey(rsa, null) { IsStrict = flags.Contains("s"), IsTest = flags.Contains("y") }, "");
    }

    /// <param name="digest">SHA-256 of what was signed; Ed25519 signs the digest itself (RFC 8463 §3).</param>
    public bool Verify(byte[] digest, byte[] signature)
    {
        if (_ed25519 is not null)
        {
            var verifier = new Ed25519Signer();
            verifier.Init(forSigning: false, _ed25519);
            verifier.BlockUpdate(digest, 0, digest.Length);
            return verifier.VerifySignature(signature);
        }
        try
        {
            using var rsa = RSA.Create(_rsa!.Value);
            return rsa.VerifyHash(digest, signature, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        }
        catch (CryptographicException)
        {
            // A key that can't be used verifies nothing.
            return false;
        }
    }

    private static Ed25519PublicKeyParameters? ReadEd25519(byte[] octets)
    {
        try
        {
            return octets.Length == Ed25519Length ? new Ed25519PublicKeyParameters(octets) : null;
        }
        catch (ArgumentException)
        {
            // No point of the curve.
            return null;
        }
    }

    /// <summary>SubjectPublicKeyInfo, as all write it, or the bare RSAPublicKey that RFC 6376 §3.6.1 speaks of.</summary>
    private static RSAParameters? ReadRsa(byte[] octets)
    {
        try
        {
            using var rsa = RSA.Create();
            try
            {
                rsa.ImportSubjectPublicKeyInfo(octets, out _);
            }
            catch (CryptographicException)
            {
                rsa.ImportRSAPublicKey(octets, out _);
            }
            return rsa.ExportParameters(includePrivateParameters: false);
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private static int BitsOf(RSAParameters rsa)
    {
        var modulus = rsa.Modulus.AsSpan().TrimStart((byte)0);
        return modulus.IsEmpty ? 0 : (modulus.Length * 8) - int.LeadingZeroCount(modulus[0]) + 24;
    }
}
