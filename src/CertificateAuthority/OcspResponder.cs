using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.KdcCore;
using Org.BouncyCastle.Asn1;
using Org.BouncyCastle.Asn1.Ocsp;
using Org.BouncyCastle.Asn1.X509;
using Org.BouncyCastle.Crypto;
using Org.BouncyCastle.Crypto.Operators;
using Org.BouncyCastle.Math;
using Org.BouncyCastle.Ocsp;
using Org.BouncyCastle.Security;
using BcCertificate = Org.BouncyCastle.X509.X509Certificate;
using BcExtension = Org.BouncyCastle.Asn1.X509.X509Extension;

namespace GatewaySecure.CertificateAuthority;

/// <summary>
/// Answers OCSP requests (RFC 6960) about one CA's certificates with a key that the CA delegated this to. A serial number that the CA did not
/// issue, or another CA, is <c>unknown</c>. Safe for concurrent use.
/// </summary>
public sealed class OcspResponder
{
    /// <summary>Octets of a request, and certificates asked about in one; more is malformed.</summary>
    public const int LargestRequest = 16 * 1024;

    private const int MostQuestions = 32;

    // RFC 9654 §2.1.
    private const int LongestNonce = 128;

    /// <summary>For how long an answer is good.</summary>
    private static readonly TimeSpan Freshness = TimeSpan.FromHours(1);

    private readonly BcCertificate _authority;
    private readonly BcCertificate _certificate;
    private readonly KeySignature _signature;
    private readonly ICertificateStore _store;
    private readonly TimeProvider _time;

    /// <param name="authority">The CA's certificate.</param>
    /// <param name="certificate">The responder's, with OCSPSigning, from that CA.</param>
    /// <param name="key">The responder's; stays the caller's.</param>
    /// <exception cref="CryptographicException">Certificate and key do not belong together.</exception>
    public OcspResponder(
        X509Certificate2 authority, X509Certificate2 certificate, AsymmetricAlgorithm key, ICertificateStore store, TimeProvider time)
    {
        var signer = new AuthorityKey(key);
        if (!signer.Matches(certificate))
            throw new CryptographicException("The OCSP responder's certificate is not for its key.");
        _authority = new BcCertificate(authority.RawData);
        _certificate = new BcCertificate(certificate.RawData);
        _signature = new KeySignature(signer);
        _store = store;
        _time = time;
    }

    /// <summary>A request's DER → a response's. A request that can't be read is answered too; database and key failures with <c>tryLater</c>.</summary>
    public async Task<byte[]> AnswerAsync(ReadOnlyMemory<byte> request, CancellationToken cancellationToken)
    {
        if (Read(request) is not { } asked)
            return Failure(OcspRespStatus.MalformedRequest);
        try
        {
            var now = _time.GetUtcNow();
            var answer = new BasicOcspRespGenerator(new RespID(_certificate.CertificateStructure.Subject));
            foreach (var question in asked.GetRequestList())
            {
                answer.AddResponse(
                    question.GetCertID(), await StatusAsync(question.GetCertID(), cancellationToken), now.UtcDateTime, (now + Freshness).UtcDateTime, null);
            }
            if (asked.GetExtensionValue(OcspObjectIdentifiers.PkixOcspNonce) is { } nonce)
                answer.SetResponseExtensions(new X509Extensions(new Dictionary<DerObjectIdentifier, BcExtension>
                {
                    [OcspObjectIdentifiers.PkixOcspNonce] = new(critical: false, nonce),
                }));
            var basic = answer.Generate(_signature, [_certificate], now.UtcDateTime);
            return new OCSPRespGenerator().Generate(OcspRespStatus.Successful, basic).GetEncoded();
        }
        catch (Exception e) when (e is CryptographicException or OcspException or IOException)
        {
            return Failure(OcspRespStatus.TryLater);
        }
    }

    private static OcspReq? Read(ReadOnlyMemory<byte> request)
    {
        try
        {
            if (request.Length > LargestRequest)
                return null;
            var asked = new OcspReq(request.ToArray());
            return asked.GetRequestList().Length is > 0 and <= MostQuestions
                && (asked.GetExtensionValue(OcspObjectIdentifiers.PkixOcspNonce)?.GetOctetsLength() ?? 0) <= LongestNonce + 4
                    ? asked
                    : null;
        }
        // What the parser of a library throws at strangers' octets is not to be listed.
#pragma warning disable CA1031
        catch (Exception)
#pragma warning restore CA1031
        {
            return null;
        }
    }

    private async Task<CertificateStatus?> StatusAsync(CertificateID id, CancellationToken cancellationToken)
    {
        if (!IsOurs(id))
            return new UnknownStatus();
        var record = await _store.FindAsync(SerialText(id.SerialNumber), cancellationToken);
        return record switch
        {
            null => new UnknownStatus(),
            { RevokedAt: { } since } => new RevokedStatus(since.UtcDateTime, (int)(record.Reason ?? RevocationReason.Unspecified)),
            _ => CertificateStatus.Good,
        };
    }

    /// <summary>False too for a hash that is not known here.</summary>
    private bool IsOurs(CertificateID id)
    {
        try
        {
            return id.MatchesIssuer(_authority);
        }
        catch (Exception e) when (e is OcspException or SecurityUtilityException)
        {
            return false;
        }
    }

    private static string SerialText(BigInteger serial) => Convert.ToHexString(serial.ToByteArray());

    private static byte[] Failure(int status) => new OCSPRespGenerator().Generate(status, null).GetEncoded();

    /// <summary>BouncyCastle's way to a signature, over a key that it does not know.</summary>
    private sealed class KeySignature(AuthorityKey key) : ISignatureFactory
    {
        public object AlgorithmDetails { get; } = AlgorithmIdentifier.GetInstance(key.Generator.GetSignatureAlgorithmIdentifier(key.Hash));

        public IStreamCalculator<IBlockResult> CreateCalculator() => new Calculator(key);

#pragma warning disable CA1001 // A stream in memory holds nothing that disposing would give back.
        private sealed class Calculator(AuthorityKey key) : IStreamCalculator<IBlockResult>
#pragma warning restore CA1001
        {
            private readonly MemoryStream _data = new();

            public Stream Stream => _data;

            public IBlockResult GetResult() => new SimpleBlockResult(key.Sign(_data.ToArray()));
        }
    }
}
