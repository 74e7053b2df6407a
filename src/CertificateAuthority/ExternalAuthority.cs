using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Addresses;
using GatewaySecure.KdcCore;
using GatewaySecure.Trust;
using GatewaySecure.Trust.Revocation;

namespace GatewaySecure.CertificateAuthority;

/// <summary>
/// A CA elsewhere, which gets requests in files and sends certificates back. What comes back is looked at as if a stranger had made it, and goes on
/// record like one of our own; its CRL and OCSP answers are that CA's. Safe for concurrent use.
/// </summary>
public sealed class ExternalAuthority : ICertificateStanding
{
    private readonly PathValidator _paths;
    private readonly ICertificateStore _store;
    private readonly CertificateLedger _ledger;
    private readonly TimeProvider _time;

    /// <param name="authorities">Whose signature under a certificate counts.</param>
    public ExternalAuthority(IEnumerable<X509Certificate2> authorities, ICertificateStore store, IAuditChain audit, TimeProvider time)
    {
        // Revocation is that CA's affair: a certificate that it just made is not revoked.
        _paths = new PathValidator(authorities, [], RevocationSnapshot.Empty, new RevocationRules(new RevocationRule(RevocationPolicy.Off)));
        _ledger = new CertificateLedger(store, audit, time);
        (_store, _time) = (store, time);
    }

    /// <summary>A PKCS #10 that may go to that CA: its key is of a kind that is certified, and signed it.</summary>
    /// <exception cref="CertificateRefusedException">It is not.</exception>
    public static void Check(ReadOnlySpan<byte> pkcs10) => CertificationRequests.Read(pkcs10);

    /// <summary>What a certificate must allow: key usage in words, extended key usage as its object identifier.</summary>
    /// <param name="publicKey">SubjectPublicKeyInfo.</param>
    public static (string KeyUsage, string ExtendedKeyUsage) WantedUsage(CertificateUse use, ReadOnlySpan<byte> publicKey)
    {
        var profile = CertificateProfile.For(use);
        return (profile.UsageOf(CertificationRequests.ReadKey(publicKey)).ToString(), profile.ExtendedUsage);
    }

    /// <summary>Puts a certificate on record that came back.</summary>
    /// <param name="publicKey">The key that was to be certified (SubjectPublicKeyInfo).</param>
    /// <param name="order">What was asked for; the addresses are all that the certificate may name.</param>
    /// <exception cref="CertificateRefusedException">It is not what was asked for.</exception>
    public async Task AcceptAsync(X509Certificate2 certificate, ReadOnlyMemory<byte> publicKey, CertificateOrder order, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(certificate);
        ArgumentNullException.ThrowIfNull(order);
        string? objection;
        try
        {
            objection = Objection(certificate, publicKey.Span, order);
        }
        catch (Exception e) when (e is CryptographicException or AsnContentException)
        {
            objection = $"The certificate is malformed: {e.Message}";
        }
        if (objection is not null)
            throw new CertificateRefusedException(objection);
        if (await _store.FindAsync(certificate.SerialNumber, cancellationToken) is not null)
            throw new CertificateRefusedException($"Another certificate with the serial number {certificate.SerialNumber} is on record.");
        var record = new CertificateRecord(
            certificate.SerialNumber, order.Holder, order.Use, certificate.RawData, CertificateLedger.WholeSeconds(certificate.NotAfter.ToUniversalTime()));
        await _ledger.EnterAsync("certificate.accept", order, record, cancellationToken);
    }

    /// <inheritdoc/>
    /// <remarks>For us only: that CA has to be told.</remarks>
    public Task RevokeAsync(string serial, RevocationReason reason, string actor, CancellationToken cancellationToken) =>
        _ledger.RevokeAsync(serial, reason, actor, cancellationToken);

    /// <inheritdoc/>
    /// <remarks>As <see cref="RevokeAsync"/>.</remarks>
    public Task ReleaseAsync(string serial, string actor, CancellationToken cancellationToken) => _ledger.ReleaseAsync(serial, actor, cancellationToken);

    private string? Objection(X509Certificate2 certificate, ReadOnlySpan<byte> publicKey, CertificateOrder order)
    {
        if (!certificate.PublicKey.ExportSubjectPublicKeyInfo().AsSpan().SequenceEqual(publicKey))
            return "The certificate is for another key.";
        if (certificate.Extensions.OfType<X509BasicConstraintsExtension>().Any(b => b.CertificateAuthority))
            return "The certificate is a CA's.";
        var profile = CertificateProfile.For(order.Use);
        var usage = profile.UsageOf(certificate.PublicKey);
        if (certificate.Extensions.OfType<X509KeyUsageExtension>().FirstOrDefault() is not { } stated || (stated.KeyUsages & usage) != usage)
            return $"The certificate's key usage does not say {usage}, which {order.Use} needs.";
        if (!certificate.Extensions.OfType<X509EnhancedKeyUsageExtension>().Any(e => e.EnhancedKeyUsages.Cast<Oid>().Any(o => o.Value == profile.ExtendedUsage)))
            return $"The certificate's extended key usage does not name {profile.ExtendedUsage}, which {order.Use} needs.";
        if (order.Until is { } until && certificate.NotAfter.ToUniversalTime() > until)
            return $"The certificate is good until {certificate.NotAfter.ToUniversalTime():yyyy-MM-dd}; the card ends on {until:yyyy-MM-dd}.";
        var named = CertificateAddresses.Of(certificate);
        if (named.FirstOrDefault(a => !order.Addresses.Contains(a)) is { } strange)
            return $"The certificate names {strange}, which is not {order.Name}'s.";
        if (profile.NamesAddresses && named.IsEmpty)
            return "The certificate names no mail address.";
        return _paths.Validate(certificate, [], _time.GetUtcNow()).Rejections is [{ Text: var text }, ..] ? text : null;
    }
}
