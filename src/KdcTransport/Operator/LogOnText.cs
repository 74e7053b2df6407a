using System.Security.Cryptography;
using System.Text;

namespace GatewaySecure.KdcTransport.Operator;

/// <summary>
/// What an operator's card signs to log on. It names the server by its TLS certificate, so that nobody in between can use the signature
/// elsewhere, and the station's transport key, so that nothing goes to another one. Docs: docs/kdc.md, Operators' sessions.
/// </summary>
public static class LogOnText
{
    /// <param name="serverCertificate">SHA-256 of the certificate that the server showed, hexadecimal.</param>
    public static byte[] Of(string realm, string serverCertificate, ReadOnlySpan<byte> challenge, ReadOnlySpan<byte> transportKey) => Encoding.UTF8.GetBytes(
        $"GatewaySecure/operator/log-on/1\n{realm}\n{serverCertificate.ToLowerInvariant()}\n{Convert.ToHexStringLower(challenge)}\n{Convert.ToHexStringLower(SHA256.HashData(transportKey))}");
}
