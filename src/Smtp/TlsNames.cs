using System.Net.Security;
using System.Security.Authentication;

namespace GatewaySecure.Smtp;

/// <summary>Protocol and cipher suite of a TLS stream as Received headers name them, such as <c>TLSv1.3:TLS_AES_256_GCM_SHA384</c>.</summary>
internal static class TlsNames
{
    public static string Describe(SslStream stream)
    {
        var protocol = stream.SslProtocol switch
        {
            SslProtocols.Tls12 => "TLSv1.2",
            SslProtocols.Tls13 => "TLSv1.3",
            var other => other.ToString(),
        };
        return $"{protocol}:{stream.NegotiatedCipherSuite}";
    }
}
