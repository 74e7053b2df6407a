using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.CertificateAuthority;
using GatewaySecure.KdcCore;
using GatewaySecure.KdcServer.Configuration;
using GatewaySecure.Storage;

namespace GatewaySecure.KdcServer.Hosting;

/// <summary>The KDC's issuing CA: keys in the vault, its certificate in the state directory, what it issued in the database.</summary>
internal sealed class IssuingCa : IDisposable
{
    /// <summary>The responder's certificate is exchanged so long before its end.</summary>
    private static readonly TimeSpan Early = TimeSpan.FromDays(10);

    private readonly ECDsa _key;
    private readonly KdcKeys _keys;
    private readonly KdcState _state;
    private readonly TimeProvider _time;

    private IssuingCa(ECDsa key, IssuingAuthority authority, KdcKeys keys, KdcState state, TimeProvider time)
    {
        (_key, _keys, _state, _time) = (key, keys, state, time);
        Authority = authority;
    }

    public IssuingAuthority Authority { get; }

    public ICertificateStore Certificates => _keys.Database.Certificates;

    /// <summary>Null where there is none yet: 'kdc ca init' or 'install' makes it.</summary>
    /// <exception cref="CryptographicException">The certificate is not for the key in the vault.</exception>
    public static IssuingCa? Open(KdcKeys keys, KdcServerConfiguration configuration, KdcState state, TimeProvider time)
    {
        if (!File.Exists(state.CaCertificate))
            return null;
        var key = keys.OpenCaKey();
        try
        {
            var certificate = X509CertificateLoader.LoadCertificateFromFile(state.CaCertificate);
            var authority = new IssuingAuthority(certificate, key, Options(configuration.Ca), keys.Database.Certificates, keys.Database.Audit, time);
            return new IssuingCa(key, authority, keys, state, time);
        }
        catch
        {
            key.Dispose();
            throw;
        }
    }

    /// <summary>Makes the certificate of a CA that signs itself.</summary>
    /// <exception cref="IOException">There is one.</exception>
    public static void Create(KdcKeys keys, KdcState state, string name, TimeSpan lifetime, TimeProvider time)
    {
        using var key = keys.OpenCaKey();
        using var certificate = IssuingAuthority.CreateRoot(name, key, lifetime, time);
        Write(state.CaCertificate, certificate.ExportCertificatePem());
    }

    /// <summary>Takes over the certificate that a CA above made from <see cref="IssuingAuthority.RequestAuthority"/>.</summary>
    /// <param name="pem">Ours first, then what stands above it.</param>
    /// <exception cref="IOException">There is one.</exception>
    /// <exception cref="CryptographicException">It is not for the key in the vault, or no CA's.</exception>
    public static void Install(KdcKeys keys, KdcState state, string pem, KdcServerConfiguration configuration, TimeProvider time)
    {
        using var key = keys.OpenCaKey();
        using var certificate = X509Certificate2.CreateFromPem(pem);
        new IssuingAuthority(certificate, key, Options(configuration.Ca), keys.Database.Certificates, keys.Database.Audit, time).Dispose();
        Write(state.CaCertificate, pem);
    }

    /// <summary>With a certificate that is good for some time yet, made anew where it is not.</summary>
    public async Task<OcspResponder> OpenResponderAsync(ECDsa key, CancellationToken cancellationToken)
    {
        var certificate = File.Exists(_state.OcspCertificate) ? X509CertificateLoader.LoadCertificateFromFile(_state.OcspCertificate) : null;
        if (certificate is null || certificate.NotAfter < _time.GetUtcNow() + Early
            || !certificate.IssuerName.RawData.AsSpan().SequenceEqual(Authority.Certificate.SubjectName.RawData)
            || !certificate.PublicKey.ExportSubjectPublicKeyInfo().AsSpan().SequenceEqual(key.ExportSubjectPublicKeyInfo()))
        {
            var request = new CertificateRequest(new X500DistinguishedName("CN=OCSP"), key, HashAlgorithmName.SHA256).CreateSigningRequest();
            certificate = await Authority.IssueAsync(
                request, new CertificateOrder(CertificateUse.Ocsp, $"{Authority.Certificate.GetNameInfo(X509NameType.SimpleName, false)} OCSP", null, [], [], "kdc"), cancellationToken);
            File.Delete(_state.OcspCertificate);
            Write(_state.OcspCertificate, certificate.ExportCertificatePem());
        }
        return new OcspResponder(Authority.Certificate, certificate, key, Certificates, _time);
    }

    public void Dispose()
    {
        Authority.Dispose();
        _key.Dispose();
    }

    private static AuthorityOptions Options(CaConfiguration? configuration) => configuration is null
        ? new AuthorityOptions(null, null)
        : new AuthorityOptions(new Uri(configuration.Address, CaPublication.CrlPath), new Uri(configuration.Address, CaPublication.OcspPath))
        {
            CertificateLifetime = configuration.CertificateLifetime,
        };

    /// <summary>Whole or not at all, and never over another one.</summary>
    private static void Write(string path, string pem)
    {
        var aside = path + ".new";
        File.WriteAllText(aside, pem);
        File.Move(aside, path, overwrite: false);
    }
}
