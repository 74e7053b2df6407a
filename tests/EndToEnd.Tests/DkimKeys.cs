using System.Globalization;
using System.Text;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>An RSA and an Ed25519 key of example.org, made by the gateway's command.</summary>
internal sealed class DkimKeys : IDisposable
{
    private readonly TempDirectory _directory = new();
    private readonly StringBuilder _records = new();

    private DkimKeys()
    {
    }

    /// <summary>For the configuration, at the top level.</summary>
    public string Lines => $"dkim:\n  - {{ domain: example.org, selector: r1, key: {_directory["r1"]} }}\n  - {{ domain: example.org, selector: e1, key: {_directory["e1"]} }}\n";

    /// <summary>The RSA key as the one for ARC seals.</summary>
    public string ArcLines => $"arc: {{ domain: example.org, selector: r1, key: {_directory["r1"]} }}\n";

    /// <summary>What is to be published.</summary>
    public DnsZone Zone => new("example.org", _records.ToString());

    public static async Task<DkimKeys> MakeAsync()
    {
        var keys = new DkimKeys();
        foreach (var (selector, type) in new[] { ("r1", "rsa"), ("e1", "ed25519") })
        {
            var made = (await Tool.RunAsync(
                Programs.Gateway, ["dkim", "key", "--domain", "example.org", "--selector", selector, "--type", type, "--file", keys._directory[selector]])).Checked();
            keys._records.Append(made.Text.Replace(".example.org.", "", StringComparison.Ordinal));
        }
        return keys;
    }

    /// <returns>What dkimpy says of each signature, a line for each; or of the chain of ARC sets.</returns>
    public static async Task<string> VerifyAsync(byte[] mail, PrivateDns dns, string what = "dkim-verify")
    {
        var verified = await Tool.RunAsync(
            "/usr/bin/python3",
            [Programs.InTree("tests", "interop", "mail_authentication.py"), what, "--dns", dns.Resolver.Port.ToString(CultureInfo.InvariantCulture)],
            mail);
        return verified.Checked().Text;
    }

    public void Dispose() => _directory.Dispose();
}
