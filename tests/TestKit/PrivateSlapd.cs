using System.Globalization;
using System.Text;

namespace GatewaySecure.TestKit;

/// <summary>Debian's slapd with a directory of its own on loopback, ended with the test.</summary>
public sealed class PrivateSlapd : IAsyncDisposable
{
    public const string People = "ou=people,dc=example,dc=org";
    public const string Admin = "cn=admin,dc=example,dc=org";
    public const string Password = "secret of a test";

    private readonly TempDirectory _directory = new();
    private readonly ChildServer _server;

    private PrivateSlapd()
    {
        var port = Loopback.FreePort();
        Url = new Uri(string.Create(CultureInfo.InvariantCulture, $"ldap://127.0.0.1:{port}"));
        _server = new ChildServer("/usr/sbin/slapd", ["-d", "0", "-h", Url.ToString(), "-f", _directory["slapd.conf"]], port);
    }

    public Uri Url { get; }

    /// <param name="people">So many with two addresses each, and one more whose address is none.</param>
    /// <param name="more">Further entries, in LDIF.</param>
    public static async Task<PrivateSlapd> StartAsync(int people, string more = "")
    {
        var slapd = new PrivateSlapd();
        Directory.CreateDirectory(slapd._directory["db"]);
        await File.WriteAllTextAsync(slapd._directory["slapd.conf"], $"""
            include /etc/ldap/schema/core.schema
            include /etc/ldap/schema/cosine.schema
            include /etc/ldap/schema/inetorgperson.schema
            pidfile {slapd._directory["pid"]}
            modulepath /usr/lib/ldap
            moduleload back_mdb
            sizelimit size.soft=500 size.hard=500 size.pr=500 size.prtotal=unlimited
            database mdb
            maxsize 67108864
            suffix "dc=example,dc=org"
            rootdn "{Admin}"
            rootpw "{Password}"
            directory {slapd._directory["db"]}

            """);
        var ldif = new StringBuilder("dn: dc=example,dc=org\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n\n"
            + $"dn: {People}\nobjectClass: organizationalUnit\nou: people\n\n");
        for (var i = 1; i <= people; i++)
            Add(ldif, i, $"person{i}@example.org", $"p{i}@example.org");
        Add(ldif, 0, "nobody at all");
        ldif.Append(more);
        await File.WriteAllTextAsync(slapd._directory["people.ldif"], ldif.ToString());
        (await Tool.RunAsync("/usr/sbin/slapadd", ["-q", "-f", slapd._directory["slapd.conf"], "-l", slapd._directory["people.ldif"]])).Checked();
        await slapd._server.StartAsync();
        return slapd;
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            await _server.DisposeAsync();
        }
        finally
        {
            _directory.Dispose();
        }
    }

    private static void Add(StringBuilder ldif, int number, params string[] addresses)
    {
        ldif.Append(CultureInfo.InvariantCulture, $"dn: uid=person{number},{People}\nobjectClass: inetOrgPerson\nuid: person{number}\ncn: Person {number}\nsn: {number}\n");
        foreach (var address in addresses)
            ldif.Append(CultureInfo.InvariantCulture, $"mail: {address}\n");
        ldif.Append('\n');
    }
}
