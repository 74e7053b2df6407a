using System.Text;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>Mail from inside is signed as it leaves, and others verify it.</summary>
public sealed class DkimSigningTests
{
    private const string Recipient = "someone@partner.example";

    [Fact]
    public async Task Normal_and_protected_mail_verifies_elsewhere_and_what_passes_through_is_not_signed()
    {
        using var keys = await DkimKeys.MakeAsync();
        await using var dns = await PrivateDns.StartAsync(keys.Zone);
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true });
        using var partner = new Partner(Recipient);
        await using var gateway = new GatewayProcess(new GatewaySetup
        {
            NextHopPort = sink.Port,
            More = $"dns:\n  resolver: [{dns.Resolver}]\n{keys.Lines}",
        });
        partner.TellAuthority(gateway);
        partner.TellCertificate(gateway);
        await gateway.StartAsync();

        Assert.Equal(0, (await Tool.RunAsync(Programs.Gateway, ["dkim", "check", "--config", gateway.ConfigurationFile, "example.org", "r1"])).ExitCode);
        foreach (var (sender, from, recipient) in new[]
        {
            ("alice@example.org", "alice@example.org", "someone@outside.example"),
            ("alice@example.org", "alice@example.org", Recipient),
            ("alice@example.org", "alice@elsewhere.example", "nobody@outside.example"),
            ("alice@example.org", "alice@example.org", "dora@sub.example.org"),
        })
        {
            using var talker = await SmtpTalker.GreetAsync(gateway.RelayPort);
            // Enough for more than one block.
            var body = string.Join("\r\n", Enumerable.Range(0, 5000).Select(i => $"Line {i} of {Mails.Secret}  "));
            var text = Mails.Text(Mails.NewId(), from, recipient, body);
            Assert.StartsWith("250", await talker.DeliverAsync(sender, recipient, Encoding.ASCII.GetBytes(text)), StringComparison.Ordinal);
        }
        using (var stranger = await SmtpTalker.GreetAsync(gateway.RelayPort, "127.0.0.2"))
        {
            var forged = Mails.Text(Mails.NewId(), "alice@example.org", "alice@example.org");
            await stranger.DeliverAsync("eve@outside.example", "postmaster@example.org", Encoding.ASCII.GetBytes(forged));
        }
        await sink.WaitForAsync(5, TimeSpan.FromSeconds(60));

        foreach (var message in sink.Messages)
        {
            var isSigned = Encoding.Latin1.GetString(message.Content).StartsWith("DKIM-Signature:", StringComparison.Ordinal);
            var recipient = message.Recipients[0];
            Assert.Equal((recipient, recipient is "someone@outside.example" or Recipient or "dora@sub.example.org"), (recipient, isSigned));
            if (!isSigned)
                continue;
            Assert.Equal("pass\npass\n", await DkimKeys.VerifyAsync(message.Content, dns));
        }
        Assert.Contains("Signed with DKIM.", gateway.LogText, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Record_of_another_key_and_a_missing_one_are_found()
    {
        using var keys = new TempDirectory();
        (await Tool.RunAsync(Programs.Gateway, ["dkim", "key", "--domain", "example.org", "--selector", "a", "--file", keys["a"]])).Checked();
        var other = (await Tool.RunAsync(Programs.Gateway, ["dkim", "key", "--domain", "example.org", "--selector", "a", "--file", keys["b"]])).Checked();
        await using var dns = await PrivateDns.StartAsync(new DnsZone("example.org", other.Text.Replace(".example.org.", "", StringComparison.Ordinal)));
        var configuration = new GatewaySetup
        {
            NextHopPort = 25,
            More = $"dns:\n  resolver: [{dns.Resolver}]\ndkim:\n"
                + $"  - {{ domain: example.org, selector: a, key: {keys["a"]} }}\n  - {{ domain: example.org, selector: b, key: {keys["b"]} }}\n",
        };
        await File.WriteAllTextAsync(keys["gateway.yaml"], configuration.Yaml(2525, 2526), TestContext.Current.CancellationToken);
        foreach (var (selector, said) in new[] { ("a", "it is the record of another key"), ("b", "there is no TXT record"), ("c", "There is no key of example.org") })
        {
            var check = await Tool.RunAsync(Programs.Gateway, ["dkim", "check", "--config", keys["gateway.yaml"], "example.org", selector]);
            Assert.Equal(1, check.ExitCode);
            Assert.Contains(said, check.All, StringComparison.Ordinal);
        }
    }
}
