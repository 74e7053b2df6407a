using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Configuration;
using GatewaySecure.HsmAdapter;
using GatewaySecure.MailProtection;
using GatewaySecure.MailProtection.Recipients;

namespace GatewaySecure.Gateway.Protection;

/// <summary>The organisation's keys for mail from outside: from files, or in the vault with their certificates in files.</summary>
internal static class OpeningKeyFiles
{
    /// <exception cref="CryptographicException">A file can't be opened, or holds no key that decrypts mail; or no key of the vault belongs to a certificate.</exception>
    public static List<SmimeKey> Load(IEnumerable<OpeningKeyConfiguration> keys, IKeyVault vault)
    {
        var loaded = new List<SmimeKey>();
        foreach (var key in keys)
        {
            if (key.File is { } file)
                loaded.AddRange(FromFile(file, key.PassphraseFile is { } lines ? File.ReadLines(lines).FirstOrDefault() : null));
            else
                loaded.Add(FromVault(vault, key.Name, key.Certificate!));
        }
        return loaded;
    }

    /// <summary>A certificate request for a key of the vault, as PEM.</summary>
    public static string Request(IKeyVault vault, string name, DomainName domain)
    {
        using var key = vault.OrganisationOpeningKey(name);
        // RFC 3183 §4.1: the name by which senders know a domain's certificate from a person's.
        return OrganisationSigner.RequestFor(key, domain, CertificateDirectory.DomainAuthority, X509KeyUsageFlags.KeyEncipherment).CreateSigningRequestPem() + "\n";
    }

    private static SmimeKey FromVault(IKeyVault vault, string name, string certificateFile)
    {
        var certificate = X509Certificate2.CreateFromPem(File.ReadAllText(certificateFile));
        var key = vault.OrganisationOpeningKey(name);
        if (key.ExportSubjectPublicKeyInfo().AsSpan().SequenceEqual(certificate.PublicKey.ExportSubjectPublicKeyInfo()))
            return new SmimeKey(certificate, key);
        key.Dispose();
        throw new CryptographicException(
            $"{certificateFile} does not belong to the vault's key '{name}'. Ask your CA for one with the request that 'gateway smime csr --for opening --name {name}' prints.");
    }

    private static List<SmimeKey> FromFile(string file, string? passphrase)
    {
        List<X509Certificate2> found;
        try
        {
            found = IsPem(file) ? [FromPem(File.ReadAllText(file), passphrase)]
                : [.. X509CertificateLoader.LoadPkcs12CollectionFromFile(file, passphrase, X509KeyStorageFlags.EphemeralKeySet | X509KeyStorageFlags.Exportable)];
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            throw new CryptographicException(
                $"{file} can't be opened as {(IsPem(file) ? "PEM with a key and its certificate" : "PKCS #12")}{(passphrase is null ? "; if it is encrypted, name its passphrase-file" : "; is the passphrase right?")} ({e.Message})", e);
        }
        var keys = found.Where(c => c.HasPrivateKey).Select(KeyOf).OfType<SmimeKey>().ToList();
        return keys.Count > 0 ? keys : throw new CryptographicException($"{file} holds no key that decrypts mail: RSA, or on a NIST curve.");
    }

    private static bool IsPem(string file)
    {
        var head = new byte[2048];
        using var stream = File.OpenRead(file);
        return head.AsSpan(0, stream.ReadAtLeast(head, head.Length, throwOnEndOfStream: false)).IndexOf("-----BEGIN"u8) >= 0;
    }

    private static X509Certificate2 FromPem(string pem, string? passphrase) =>
        passphrase is null ? X509Certificate2.CreateFromPem(pem, pem) : X509Certificate2.CreateFromEncryptedPem(pem, pem, passphrase);

    private static SmimeKey? KeyOf(X509Certificate2 certificate)
    {
        AsymmetricAlgorithm? key = certificate.GetRSAPrivateKey();
        key ??= certificate.GetECDiffieHellmanPrivateKey();
        return key is null ? null : new SmimeKey(X509CertificateLoader.LoadCertificate(certificate.RawData), key);
    }
}
