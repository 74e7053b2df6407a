using System.DirectoryServices.Protocols;
using System.Net;

namespace GatewaySecure.KdcServer.Hosting;

/// <summary>
/// Connections to an LDAP directory: over TLS, or to this machine. The platform's client takes its trust for TLS from the system's LDAP configuration
/// (<c>/etc/ldap/ldap.conf</c>, <c>LDAPTLS_CACERT</c>).
/// </summary>
internal static class LdapDirectory
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <returns>Null where it may be asked, else why not: the end of a sentence that begins with the address.</returns>
    public static string? Objection(Uri url) =>
        url.Scheme == "ldaps" || url is { Scheme: "ldap", IsLoopback: true } ? null : "over a network it must be ldaps://; what goes in clear can be read and changed on the way";

    /// <param name="bindDn">Null: anonymous.</param>
    /// <exception cref="DirectoryException">It can't be reached, or refuses.</exception>
    public static LdapConnection Connect(Uri url, string? bindDn, string? password)
    {
        var secure = url.Scheme == "ldaps";
        var port = url.IsDefaultPort || url.Port < 0 ? (secure ? 636 : 389) : url.Port;
        var connection = new LdapConnection(new LdapDirectoryIdentifier(url.Host, port), null, AuthType.Anonymous) { Timeout = Patience };
        try
        {
            connection.SessionOptions.ProtocolVersion = 3;
            connection.SessionOptions.ReferralChasing = ReferralChasingOptions.None;
            connection.SessionOptions.SecureSocketLayer = secure;
            if (bindDn is not null)
            {
                connection.AuthType = AuthType.Basic;
                connection.Bind(new NetworkCredential(bindDn, password));
            }
            else
            {
                connection.Bind();
            }
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }
}
