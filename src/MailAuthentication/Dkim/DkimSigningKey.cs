using System.Security.Cryptography;
using GatewaySecure.Addresses;
using GatewaySecure.Dns;
using Org.BouncyCastle.Crypto.Parameters;
using Org.BouncyCastle.Crypto.Signers;
using Org.BouncyCastle.Security;

namespace GatewaySecure.MailAuthentication.Dkim;

/// <summary>The algorithms that are signed with (RFC 8301 §3.1, RFC 8463).</summary>
public enum DkimKeyType
{
    Rsa,
    Ed25519,
}

/// <summary>A private key with the domain and selector under which its public half is published. Thread-safe.</summary>
public sealed class DkimSigningKey : IDisposable
{
    private const int LeastRsaBits = 1024;
    private const int NewRsaBits = 2048;

    /// <summary>PKCS#8 of an Ed25519 key up to its 32 octets (RFC 8410 §7).</summary>
    private static readonly byte[] Ed25519Prefix = Convert.FromHexString("302e020100300506032b657004220420");

    private readonly RSA? _rsa;
    private readonly Ed25519PrivateKeyParameters? _ed25519;

    private DkimSigningKey(DomainName domain, string selector, RSA? rsa, Ed25519PrivateKeyParameters? ed25519) =>
        (Domain, Selector, _rsa, _ed25519) = (domain, selector, rsa, ed25519);

    public DomainName Domain { get; }

    public string Selector { get; }

    public DkimKeyType Type => _rsa is null ? DkimKeyType.Ed25519 : DkimKeyType.Rsa;

    /// <summary>Where its public half belongs in the DNS.</summary>
    public string RecordName => $"{Selector}._domainkey.{Domain.Ascii}";

    /// <summary>What belongs there, as one text (RFC 6376 §3.6.1).</summary>
    public string Record => _rsa is not null
        ? $"v=DKIM1; k=rsa; p={Convert.ToBase64String(_rsa.ExportSubjectPublicKeyInfo())}"
        : $"v=DKIM1; k=ed25519; p={Convert.ToBase64String(_ed25519!.GeneratePublicKey().GetEncoded())}";

    internal string Algorithm => _rsa is null ? "ed25519-sha256" : "rsa-sha256";

    /// <param name="pem">A private key in PEM, not encrypted: RSA from 1024 bits up, or Ed25519.</param>
    /// <exception cref="CryptographicException">It is no such key.</exception>
    public static DkimSigningKey FromPem(DomainName domain, string selector, string pem)
    {
        if (!IsSelector(selector))
            throw new ArgumentException($"'{selector}' is no selector.", nameof(selector));
        if (ReadEd25519(pem) is { } ed25519)
            return new DkimSigningKey(domain, selector, null, ed25519);
        var rsa = RSA.Create();
        try
        {
            rsa.ImportFromPem(pem);
            if (rsa.KeySize < LeastRsaBits)
                throw new CryptographicException($"An RSA key of {rsa.KeySize} bits is too short (RFC 8301): make one of 2048.");
            // A public key alone would be found out only when the first mail is signed.
            rsa.SignHash(new byte[SHA256.HashSizeInBytes], HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
            return new DkimSigningKey(domain, selector, rsa, null);
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            rsa.Dispose();
            throw e as CryptographicException ?? new CryptographicException("It is no private RSA or Ed25519 key in PEM.", e);
        }
    }

    /// <summary>A new private key in PEM (PKCS#8), as other programs read it too.</summary>
    public static string CreatePem(DkimKeyType type)
    {
        if (type == DkimKeyType.Rsa)
        {
            using var rsa = RSA.Create(NewRsaBits);
            return rsa.ExportPkcs8PrivateKeyPem() + "\n";
        }
        var secret = new Ed25519PrivateKeyParameters(new SecureRandom()).GetEncoded();
        return PemEncoding.WriteString("PRIVATE KEY", (byte[])[.. Ed25519Prefix, .. secret]) + "\n";
    }

    /// <summary>One or more labels of letters, digits, hyphens and underscores.</summary>
    public static bool IsSelector(string? text) => DomainNames.IsName(text);

    /// <summary>Null where the DNS holds this key's public half in a form that others verify with; else what is wrong.</summary>
    public async ValueTask<string?> CheckPublishedAsync(IDnsResolver dns, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(dns);
        var answer = await dns.TxtAsync(RecordName, cancellationToken);
        if (answer is DnsFailed<string> failed)
            return $"the DNS can't be asked: {failed.Reason}";
        if (answer.Records is not [var record])
            return answer.Records.IsEmpty ? "there is no TXT record" : "there is more than one TXT record";
        var (key, reason) = DkimKey.Parse(record, Type == DkimKeyType.Rsa ? "rsa" : "ed25519");
        if (key is null)
            return reason;
        var probe = SHA256.HashData("probe"u8);
        return key.Verify(probe, Sign(probe)) ? null : "it is the record of another key";
    }

    public void Dispose() => _rsa?.Dispose();

    internal byte[] Sign(byte[] digest)
    {
        if (_rsa is not null)
            return _rsa.SignHash(digest, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var signer = new Ed25519Signer();
        signer.Init(forSigning: true, _ed25519);
        signer.BlockUpdate(digest, 0, digest.Length);
        return signer.GenerateSignature();
    }

    private static Ed25519PrivateKeyParameters? ReadEd25519(string pem)
    {
        if (!PemEncoding.TryFind(pem, out var found) || pem[found.Label] is not "PRIVATE KEY")
            return null;
        var der = Convert.FromBase64String(pem[found.Base64Data]);
        return der.Length == Ed25519Prefix.Length + 32 && der.AsSpan().StartsWith(Ed25519Prefix)
            ? new Ed25519PrivateKeyParameters(der, Ed25519Prefix.Length)
            : null;
    }
}
