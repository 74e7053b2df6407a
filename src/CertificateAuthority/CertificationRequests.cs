using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace GatewaySecure.CertificateAuthority;

/// <summary>Reads PKCS #10 requests: the key, and the proof that who asks has it. Nothing else of them is believed.</summary>
internal static class CertificationRequests
{
    private const int Largest = 64 * 1024;

    /// <exception cref="CertificateRefusedException">Unreadable, with a bad signature, or of a key that is not certified.</exception>
    public static CertificateRequest Read(ReadOnlySpan<byte> pkcs10)
    {
        CertificateRequest request;
        try
        {
            if (pkcs10.Length > Largest)
                throw new CertificateRefusedException("The request is too large.");
            // Verifies the request's own signature.
            request = CertificateRequest.LoadSigningRequest(pkcs10.ToArray(), HashAlgorithmName.SHA256, out var read);
            if (read != pkcs10.Length)
                throw new CertificateRefusedException("The request is followed by something else.");
        }
        catch (Exception e) when (e is CryptographicException or NotSupportedException)
        {
            throw new CertificateRefusedException($"The request is not readable, or its signature is bad: {e.Message}");
        }
        return CertificateProfile.Objection(request.PublicKey) is { } objection ? throw new CertificateRefusedException(objection) : request;
    }

    /// <exception cref="CertificateRefusedException">Unreadable, or of a kind that is not certified.</exception>
    public static PublicKey ReadKey(ReadOnlySpan<byte> subjectPublicKeyInfo)
    {
        try
        {
            var key = PublicKey.CreateFromSubjectPublicKeyInfo(subjectPublicKeyInfo, out var read);
            if (read != subjectPublicKeyInfo.Length)
                throw new CertificateRefusedException("The key is followed by something else.");
            return CertificateProfile.Objection(key) is { } objection ? throw new CertificateRefusedException(objection) : key;
        }
        catch (CryptographicException e)
        {
            throw new CertificateRefusedException($"The key is not readable: {e.Message}");
        }
    }
}

/// <summary>What was asked for is not certified; the message is one plain sentence.</summary>
public sealed class CertificateRefusedException(string message) : Exception(message);
