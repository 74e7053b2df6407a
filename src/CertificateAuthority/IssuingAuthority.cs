using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.KdcCore;

namespace GatewaySecure.CertificateAuthority;

/// <summary>
/// The organisation's issuing CA: certificates, their standing, CRLs. What it answers is durable, with a line in the audit chain. Safe for
/// concurrent use. Failures of key and database are exceptions, and nothing was issued.
/// </summary>
public sealed class IssuingAuthority : ICertificateStanding, IDisposable
{
    /// <summary>Characters (RFC 5280 appendix A, ub-common-name).</summary>
    private const int LongestCommonName = 64;

    private const string OcspNoCheck = "1.3.6.1.5.5.7.48.1.5";

    private readonly AuthorityKey _key;
    private readonly AuthorityOptions _options;
    private readonly ICertificateStore _store;
    private readonly CertificateLedger _ledger;
    private readonly IAuditChain _audit;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _crlTurn = new(1);

    /// <param name="certificate">Its own.</param>
    /// <param name="key">RSA or ECDSA, the one of that certificate; stays the caller's.</param>
    /// <exception cref="CryptographicException">Certificate and key do not belong together, or it is no CA's.</exception>
    public IssuingAuthority(
        X509Certificate2 certificate, AsymmetricAlgorithm key, AuthorityOptions options, ICertificateStore store, IAuditChain audit, TimeProvider time)
    {
        _key = new AuthorityKey(key);
        if (!_key.Matches(certificate))
            throw new CryptographicException("The CA's certificate is not for the CA's key.");
        if (!certificate.Extensions.OfType<X509BasicConstraintsExtension>().Any(b => b.CertificateAuthority))
            throw new CryptographicException("The certificate is not a CA's: basicConstraints does not say so.");
        Certificate = certificate;
        _options = options;
        _store = store;
        _ledger = new CertificateLedger(store, audit, time);
        _audit = audit;
        _time = time;
    }

    public X509Certificate2 Certificate { get; }

    /// <summary>A CA that signs itself. RFC 5280 §4.2.1.9: nothing but end entities below it.</summary>
    public static X509Certificate2 CreateRoot(string commonName, AsymmetricAlgorithm key, TimeSpan lifetime, TimeProvider time)
    {
        var signer = new AuthorityKey(key);
        var request = AuthorityRequest(commonName, signer);
        var now = time.GetUtcNow();
        return request.Create(request.SubjectName, signer.Generator, now.AddMinutes(-5), now + lifetime, NewSerial());
    }

    /// <summary>A PKCS #10 for a CA above, PEM; what comes back is the certificate to construct this one with.</summary>
    public static string RequestAuthority(string commonName, AsymmetricAlgorithm key)
    {
        var signer = new AuthorityKey(key);
        return AuthorityRequest(commonName, signer).CreateSigningRequestPem(signer.Generator);
    }

    /// <summary>Certifies the key of a PKCS #10 (DER). Of the request, only key and signature count.</summary>
    /// <exception cref="CertificateRefusedException">The request, its key or the order is not one to be certified.</exception>
    public Task<X509Certificate2> IssueAsync(ReadOnlyMemory<byte> pkcs10, CertificateOrder order, CancellationToken cancellationToken) =>
        IssueAsync(CertificationRequests.Read(pkcs10.Span).PublicKey, order, cancellationToken);

    /// <summary>Certifies a key that can't sign a request, as who orders it vouches for.</summary>
    /// <exception cref="CertificateRefusedException">The key or the order is not one to be certified.</exception>
    public Task<X509Certificate2> IssueForKeyAsync(ReadOnlyMemory<byte> subjectPublicKeyInfo, CertificateOrder order, CancellationToken cancellationToken) =>
        IssueAsync(CertificationRequests.ReadKey(subjectPublicKeyInfo.Span), order, cancellationToken);

    private async Task<X509Certificate2> IssueAsync(PublicKey key, CertificateOrder order, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(order);
        var profile = CertificateProfile.For(order.Use);
        if (profile.NamesAddresses && order.Addresses.IsDefaultOrEmpty)
            throw new CertificateRefusedException("The holder has no mail address to be certified.");
        var now = _time.GetUtcNow();
        var end = now + (order.Use == CertificateUse.Ocsp ? _options.ResponderLifetime : _options.CertificateLifetime);
        if (end > Certificate.NotAfter)
            end = Certificate.NotAfter;
        if (end > order.Until)
            end = order.Until.Value;
        if (end <= now)
            throw new CertificateRefusedException($"The CA's own certificate ended on {Certificate.NotAfter:yyyy-MM-dd}; renew it.");

        var request = new CertificateRequest(Subject(order.Name), key, _key.Hash);
        Extend(request, profile, order);
        var serial = NewSerial();
        var certificate = request.Create(Certificate.SubjectName, _key.Generator, now.AddMinutes(-5), end, serial);
        var record = new CertificateRecord(certificate.SerialNumber, order.Holder, order.Use, certificate.RawData, end);
        await _ledger.EnterAsync("certificate.issue", order, record, cancellationToken);
        return certificate;
    }

    /// <inheritdoc/>
    /// <remarks>A new CRL says so at once.</remarks>
    public async Task RevokeAsync(string serial, RevocationReason reason, string actor, CancellationToken cancellationToken)
    {
        await _ledger.RevokeAsync(serial, reason, actor, cancellationToken);
        await NewCrlAsync(cancellationToken);
    }

    /// <inheritdoc/>
    /// <remarks>A new CRL says so at once.</remarks>
    public async Task ReleaseAsync(string serial, string actor, CancellationToken cancellationToken)
    {
        await _ledger.ReleaseAsync(serial, actor, cancellationToken);
        await NewCrlAsync(cancellationToken);
    }

    /// <summary>
    /// The CRL to serve: the last one, made anew after a day. Where the key can't be had, the last one as long as it is good.
    /// </summary>
    public async Task<CrlRecord> CrlAsync(CancellationToken cancellationToken)
    {
        var last = await _store.LastCrlAsync(cancellationToken);
        var now = _time.GetUtcNow();
        // A clock that was set back must not keep an old list for ever.
        if (last is not null && last.ThisUpdate <= now && now < last.ThisUpdate + _options.CrlInterval)
            return last;
        try
        {
            return await NewCrlAsync(cancellationToken);
        }
        catch (CryptographicException) when (last is not null && now < last.NextUpdate)
        {
            return last;
        }
    }

    /// <summary>A CRL as of now, whatever the last one says.</summary>
    public async Task<CrlRecord> NewCrlAsync(CancellationToken cancellationToken)
    {
        await _crlTurn.WaitAsync(cancellationToken);
        try
        {
            var last = await _store.LastCrlAsync(cancellationToken);
            var now = CertificateLedger.WholeSeconds(_time.GetUtcNow());
            var builder = new CertificateRevocationListBuilder();
            foreach (var revoked in await _store.RevokedAsync(cancellationToken))
                builder.AddEntry(Convert.FromHexString(revoked.Serial), revoked.RevokedAt, (X509RevocationReason?)revoked.Reason);
            var number = (last?.Number ?? 0) + 1;
            var der = builder.Build(
                Certificate.SubjectName, _key.Generator, number, now + _options.CrlLifetime, _key.Hash,
                X509AuthorityKeyIdentifierExtension.CreateFromCertificate(Certificate, true, false), now);
            var crl = new CrlRecord(number, der, now, now + _options.CrlLifetime);
            await _audit.AppendAsync(
                new AuditEntry(new AuditEvent(now, "crl.issue", "ca", Certificate.Subject, $"number={number}")) { Crl = crl }, cancellationToken);
            return crl;
        }
        finally
        {
            _crlTurn.Release();
        }
    }

    public void Dispose() => _crlTurn.Dispose();

    private void Extend(CertificateRequest request, CertificateProfile profile, CertificateOrder order)
    {
        var extensions = request.CertificateExtensions;
        extensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        extensions.Add(new X509KeyUsageExtension(profile.UsageOf(request.PublicKey), true));
        extensions.Add(new X509EnhancedKeyUsageExtension([new Oid(profile.ExtendedUsage)], order.Use == CertificateUse.Ocsp));
        extensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        extensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(Certificate, true, false));
        var addresses = profile.NamesAddresses ? order.Addresses : [];
        var hosts = profile.NamesAddresses || order.Hosts.IsDefault ? [] : order.Hosts;
        if (addresses.Length + hosts.Length > 0)
            extensions.Add(AlternativeNames.Of(addresses, hosts));
        if (order.Use == CertificateUse.Ocsp)
        {
            // RFC 6960 §4.2.2.2.1: nobody asks the responder about itself; so it lives for a month only.
            extensions.Add(new X509Extension(OcspNoCheck, [0x05, 0x00], critical: false));
            return;
        }
        if (_options.CrlAddress is { } crl)
            extensions.Add(CertificateRevocationListBuilder.BuildCrlDistributionPointExtension([crl.AbsoluteUri]));
        if (_options.OcspAddress is { } ocsp)
            extensions.Add(new X509AuthorityInformationAccessExtension([ocsp.AbsoluteUri], null));
    }

    private static CertificateRequest AuthorityRequest(string commonName, AuthorityKey signer)
    {
        var request = new CertificateRequest(Subject(commonName), signer.Generator.PublicKey, signer.Hash);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, true, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        return request;
    }

    private static X500DistinguishedName Subject(string commonName)
    {
        var builder = new X500DistinguishedNameBuilder();
        builder.AddCommonName(string.Concat(commonName.EnumerateRunes().Take(LongestCommonName)));
        return builder.Build();
    }

    /// <summary>Positive, without a leading zero, 126 random bits (RFC 5280 §4.1.2.2).</summary>
    private static byte[] NewSerial()
    {
        var serial = RandomNumberGenerator.GetBytes(16);
        serial[0] = (byte)(serial[0] & 0x7F | 0x40);
        return serial;
    }
}
