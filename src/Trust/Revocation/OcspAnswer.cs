using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Org.BouncyCastle.Asn1.Ocsp;
using Org.BouncyCastle.Asn1.X509;
using Org.BouncyCastle.Ocsp;
using Org.BouncyCastle.Security;
using BcCertificate = Org.BouncyCastle.X509.X509Certificate;

namespace GatewaySecure.Trust.Revocation;

/// <summary>One certificate's part of an OCSP response (RFC 6960 §4.2). Who signed it is judged when it is asked. Immutable.</summary>
public sealed class OcspAnswer
{
    /// <summary>How long an answer without nextUpdate serves; RFC 6960 §4.2.2.1 has newer information at any time then.</summary>
    private static readonly TimeSpan s_withoutNextUpdate = TimeSpan.FromHours(12);

    /// <summary>Clocks of responders differ from ours by no more.</summary>
    private static readonly TimeSpan s_skew = TimeSpan.FromMinutes(5);

    private readonly BasicOcspResp _response;
    private readonly CertificateID _id;

    private OcspAnswer(BasicOcspResp response, SingleResp single, byte[] der)
    {
        _response = response;
        _id = single.GetCertID();
        Der = der;
        ThisUpdate = new DateTimeOffset(single.ThisUpdate.ToUniversalTime(), TimeSpan.Zero);
        NextUpdate = single.NextUpdate is { } next ? new DateTimeOffset(next.ToUniversalTime(), TimeSpan.Zero) : null;
        var status = single.GetCertStatus();
        IsGood = status is null;
        if (status is RevokedStatus revoked)
        {
            RevokedSince = new DateTimeOffset(revoked.RevocationTime.ToUniversalTime(), TimeSpan.Zero);
            Reason = revoked.HasRevocationReason ? revoked.RevocationReason : 0;
        }
    }

    /// <summary>The whole response that it was in.</summary>
    public ReadOnlyMemory<byte> Der { get; }

    public DateTimeOffset ThisUpdate { get; }

    public DateTimeOffset? NextUpdate { get; }

    public bool IsGood { get; }

    public DateTimeOffset? RevokedSince { get; }

    public int Reason { get; }

    internal string SerialKey => KeyOf(_id.SerialNumber.ToByteArray());

    internal static string KeyOf(ReadOnlySpan<byte> serial) => Convert.ToHexString(serial);

    /// <summary>The answers in a response; none and a reason where it holds none (RFC 6960 §4.2.1: tryLater, unauthorized …).</summary>
    /// <param name="nonce">What was sent. An answer with another is refused; one without is taken (RFC 9654 §2.1, freshness decides).</param>
    public static bool TryParse(byte[] der, byte[]? nonce, [NotNullWhen(true)] out IReadOnlyList<OcspAnswer>? answers, [NotNullWhen(false)] out string? problem)
    {
        ArgumentNullException.ThrowIfNull(der);
        answers = null;
        try
        {
            var response = new OcspResp(der);
            if (response.Status != OcspRespStatus.Successful)
            {
                problem = $"The responder gave no answer (status {response.Status}).";
                return false;
            }
            if (response.GetResponseObject() is not BasicOcspResp basic)
            {
                problem = "The response is of an unknown type.";
                return false;
            }
            if (nonce is not null && basic.GetExtensionValue(OcspObjectIdentifiers.PkixOcspNonce) is { } echoed && !IsNonce(echoed.GetOctets(), nonce))
            {
                problem = "The response answers another request (its nonce is not ours).";
                return false;
            }
            answers = [.. basic.Responses.Select(single => new OcspAnswer(basic, single, der))];
            problem = null;
            return true;
        }
        catch (Exception e) when (e is GeneralSecurityException or OcspException or ArgumentException or IOException or InvalidCastException or InvalidOperationException or FormatException)
        {
            problem = $"The response is malformed: {e.Message}";
            return false;
        }
    }

    public bool IsCurrent(DateTimeOffset at) => ThisUpdate <= at + s_skew && at <= (NextUpdate ?? ThisUpdate + s_withoutNextUpdate);

    /// <summary>It is about this certificate, current, and signed by who may: worth keeping.</summary>
    /// <exception cref="CryptographicException">A certificate is malformed.</exception>
    public bool Speaks(X509Certificate2 certificate, X509Certificate2 issuer, DateTimeOffset at)
    {
        var authority = ParsedCertificate.Of(issuer);
        return (IsGood || RevokedSince is not null) && IsCurrent(at) && IsFor(ParsedCertificate.Of(certificate), authority) && IsSignedFor(authority, at);
    }

    internal bool IsFor(ParsedCertificate certificate, ParsedCertificate issuer)
    {
        try
        {
            return _id.MatchesIssuer(issuer.Path) && _id.SerialNumber.Equals(certificate.Path.SerialNumber);
        }
        catch (OcspException)
        {
            // A hash algorithm that is not known here.
            return false;
        }
    }

    /// <summary>RFC 6960 §4.2.2.2: by the certificate's issuer itself, or by a responder that this very issuer certified for it.</summary>
    internal bool IsSignedFor(ParsedCertificate issuer, DateTimeOffset at)
    {
        if (Verifies(issuer.Path))
            return true;
        foreach (var responder in _response.GetCerts())
        {
            if (responder.IssuerDN.Equivalent(issuer.Path.SubjectDN) && responder.IsValid(at.UtcDateTime) && MaySignOcsp(responder)
                && IsIssuedBy(responder, issuer) && Verifies(responder))
            {
                return true;
            }
        }
        return false;
    }

    private bool Verifies(BcCertificate signer)
    {
        try
        {
            return _response.Verify(signer.GetPublicKey());
        }
        catch (Exception e) when (e is OcspException or GeneralSecurityException or ArgumentException or InvalidCastException or IOException or Org.BouncyCastle.Crypto.CryptoException)
        {
            return false;
        }
    }

    private static bool IsIssuedBy(BcCertificate responder, ParsedCertificate issuer)
    {
        try
        {
            responder.Verify(issuer.Key);
            return true;
        }
        catch (Exception e) when (e is GeneralSecurityException or ArgumentException or InvalidCastException or IOException or Org.BouncyCastle.Crypto.CryptoException)
        {
            return false;
        }
    }

    private static bool MaySignOcsp(BcCertificate responder) =>
        responder.GetExtendedKeyUsage()?.Any(usage => usage.Equals(KeyPurposeID.id_kp_OCSPSigning)) == true;

    /// <summary>The extension's value is an OCTET STRING in newer responders, the bare octets in old ones.</summary>
    private static bool IsNonce(byte[] value, byte[] nonce) =>
        value.AsSpan().SequenceEqual(nonce)
        || (value.Length > 2 && value[0] == 4 && value[1] == value.Length - 2 && value.AsSpan(2).SequenceEqual(nonce));
}

/// <summary>Asks about one certificate (RFC 6960 §4.1), with a nonce (RFC 9654).</summary>
public sealed record OcspQuestion(byte[] Der, byte[] Nonce)
{
    /// <exception cref="CryptographicException">A certificate is malformed.</exception>
    public static OcspQuestion About(X509Certificate2 certificate, X509Certificate2 issuer)
    {
        var nonce = RandomNumberGenerator.GetBytes(32);
        var subject = ParsedCertificate.Of(certificate);
        var authority = ParsedCertificate.Of(issuer);
        var generator = new OcspReqGenerator();
        // SHA-1 is what every responder knows as the name of an issuer; nothing rests on its strength here (RFC 6960 §4.3, RFC 5019 §2.1.1).
        generator.AddRequest(new CertificateID(new AlgorithmIdentifier(Org.BouncyCastle.Asn1.Oiw.OiwObjectIdentifiers.IdSha1, Org.BouncyCastle.Asn1.DerNull.Instance), authority.Path, subject.Path.SerialNumber));
        var extensions = new X509ExtensionsGenerator();
        extensions.AddExtension(OcspObjectIdentifiers.PkixOcspNonce, critical: false, new Org.BouncyCastle.Asn1.DerOctetString(nonce));
        generator.SetRequestExtensions(extensions.Generate());
        return new(generator.Generate().GetEncoded(), nonce);
    }
}
