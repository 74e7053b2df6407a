using System.Security.Cryptography.X509Certificates;
using System.Text;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>A running gateway and several Postfix behind it: one that is away, one that wants a certificate, one of a CA of our own. Mails are counted.</summary>
public sealed class NextHopTests : IDisposable
{
    private readonly TempDirectory _directory = new();
    private readonly ServerPki _pki = new("Next hop");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _pki.Dispose();
        _directory.Dispose();
    }

    [Fact]
    public async Task While_the_first_postfix_is_away_the_second_gets_all_mail_and_nothing_comes_twice()
    {
        await using var second = await PrivatePostfix.StartAsync(new PostfixOptions());
        var first = await PrivatePostfix.StartAsync(new PostfixOptions());
        var port = first.Port;
        await using var gateway = new GatewayProcess(new GatewaySetup
        {
            NextHopPort = second.Port, OtherHops = [("pair.example", $"smtp: [127.0.0.1:{first.Port}, '[127.0.0.1]:{second.Port}']\ntls: never")],
        });
        await gateway.StartAsync();
        await SendAsync(gateway, "pair.example", 5);
        await first.WaitForDeliveriesAsync(5, TimeSpan.FromSeconds(20));
        await first.DisposeAsync();

        await SendAsync(gateway, "pair.example", 20);
        await second.WaitForDeliveriesAsync(20, TimeSpan.FromSeconds(30));
        await QueueIsEmptyAsync(gateway);
        Assert.Equal(20, Marks(second).Distinct().Count());
        Assert.Equal(20, Marks(second).Count);

        // It comes back, and gets its place once its rest is over.
        await using var again = await PrivatePostfix.StartAsync(new PostfixOptions { Port = port });
        for (var until = DateTime.UtcNow.AddSeconds(60); Marks(again).Count == 0; await Task.Delay(2000, Cancel))
        {
            Assert.True(DateTime.UtcNow < until, gateway.LogText);
            await SendAsync(gateway, "pair.example", 1);
        }
        await QueueIsEmptyAsync(gateway);
    }

    [Fact]
    public async Task A_slow_host_delays_no_mail_but_its_own()
    {
        await using var fast = await PrivatePostfix.StartAsync(new PostfixOptions());
        await using var slow = new SmtpSink(new SmtpSinkOptions
        {
            Keywords = ["SIZE"],
            Answer = line =>
            {
                if (line.StartsWith("RCPT", StringComparison.Ordinal))
                    Thread.Sleep(1500);
                return null;
            },
        });
        await using var gateway = new GatewayProcess(new GatewaySetup { NextHopPort = fast.Port, OtherHops = [("slow.example", $"smtp: 127.0.0.1:{slow.Port}\ntls: never")] });
        await gateway.StartAsync();
        await SendAsync(gateway, "slow.example", 60);
        await SendAsync(gateway, "outside.example", 20);
        await fast.WaitForDeliveriesAsync(20, TimeSpan.FromSeconds(30));
        Assert.True(slow.Count < 60, "The slow host was not slow.");
        await slow.WaitForAsync(60, TimeSpan.FromSeconds(90));
        await QueueIsEmptyAsync(gateway);
        Assert.Equal((60, 20), (slow.Count, Marks(fast).Count));
    }

    [Fact]
    public async Task A_host_that_never_greets_and_one_that_drops_after_the_final_dot_lose_nothing()
    {
        await using var stuck = new LoopbackServer(async (_, token) => await Task.Delay(Timeout.Infinite, token));
        await using var good = await PrivatePostfix.StartAsync(new PostfixOptions());
        var drops = 3;
        // It has every message that it does not answer for: what SMTP itself may double.
        await using var dropping = new SmtpSink(new SmtpSinkOptions { Keep = true, Answer = line => line == "." && drops-- > 0 ? "" : null });
        await using var gateway = new GatewayProcess(new GatewaySetup
        {
            NextHopPort = good.Port,
            OtherHops =
            [
                ("stuck.example", $"smtp: [127.0.0.1:{stuck.Port}, 127.0.0.1:{good.Port}]\ntls: never"),
                ("dropping.example", $"smtp: [127.0.0.1:{dropping.Port}, 127.0.0.1:{good.Port}]\ntls: never"),
            ],
            More = "delivery:\n  greeting-timeout: 5s\n",
        });
        await gateway.StartAsync();
        await SendAsync(gateway, "dropping.example", 5);
        await dropping.WaitForAsync(5, TimeSpan.FromSeconds(60));
        await QueueIsEmptyAsync(gateway);
        Assert.Equal(5, dropping.Count);
        Assert.Empty(Marks(good));

        // Five deliveries wait for a greeting; then the host is passed over.
        await SendAsync(gateway, "stuck.example", 20);
        await good.WaitForDeliveriesAsync(20, TimeSpan.FromSeconds(60));
        await QueueIsEmptyAsync(gateway);
        Assert.Equal(20, Marks(good).Distinct().Count());
        Assert.Equal(20, Marks(good).Count);
    }

    [Fact]
    public async Task A_postfix_that_wants_our_certificate_gets_it_and_its_own_ca_counts()
    {
        var server = Write("server", _pki.Server("localhost"), _pki.Issuer);
        var client = Write("client", _pki.Client(null, "gateway.example.org"), _pki.Issuer);
        await File.WriteAllTextAsync(_directory["root.pem"], _pki.Root.ExportCertificatePem(), Cancel);
        using var others = new ServerPki("Other");
        await File.WriteAllTextAsync(_directory["other.pem"], others.Root.ExportCertificatePem(), Cancel);
        await using var postfix = await PrivatePostfix.StartAsync(new PostfixOptions
        {
            Tls = server,
            Parameters = new Dictionary<string, string>
            {
                ["smtpd_tls_security_level"] = "encrypt",
                ["smtpd_tls_CAfile"] = _directory["root.pem"],
                ["smtpd_tls_req_ccert"] = "yes",
                ["smtpd_tls_received_header"] = "yes",
            },
        });
        var hop = $"smtp: localhost:{postfix.Port}\ntls: required\ntls-trust: {_directory["root.pem"]}";
        var ours = $"\nclient-certificate: {client.Certificate}\nclient-key: {client.Key}";
        await using var gateway = new GatewayProcess(new GatewaySetup
        {
            NextHopPort = Loopback.FreePort(),
            OtherHops =
            [
                ("good.example", hop + ours),
                ("nameless.example", hop),
                ("foreign.example", hop.Replace("root.pem", "other.pem", StringComparison.Ordinal) + ours),
            ],
        });
        await gateway.StartAsync();
        foreach (var domain in new[] { "nameless.example", "foreign.example", "good.example" })
            await SendAsync(gateway, domain, 1);
        var arrived = await File.ReadAllTextAsync((await postfix.WaitForDeliveriesAsync(1, TimeSpan.FromSeconds(30)))[0], Cancel);
        Assert.Contains("CN \"gateway.example.org\"", arrived, StringComparison.Ordinal);
        Assert.Contains("verified OK", arrived, StringComparison.Ordinal);

        // The two others wait, each with the reason.
        await gateway.Child.WaitForLineAsync("nameless.example", TimeSpan.FromSeconds(10));
        for (var until = DateTime.UtcNow.AddSeconds(20); ; await Task.Delay(200, Cancel))
        {
            var waiting = (await gateway.QueueAsync()).EnumerateArray()
                .ToDictionary(e => e.GetProperty("recipient").GetString()!, e => e.GetProperty("reason").GetString() ?? "");
            if (waiting.Count == 2 && waiting.Values.All(r => r.Length > 0))
            {
                Assert.Contains("TLS", waiting["reader@foreign.example"], StringComparison.Ordinal);
                break;
            }
            Assert.True(DateTime.UtcNow < until, gateway.LogText);
        }
        Assert.Single(Marks(postfix));

        var shown = (await gateway.ToolAsync("route", "show", "good.example", "--config", gateway.ConfigurationFile)).Checked().Text;
        Assert.Contains("a certificate for localhost from a CA of tls-trust", shown, StringComparison.Ordinal);
        Assert.Contains("CN=gateway.example.org", shown, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_route_may_demand_tls_of_a_next_hop_that_does_without()
    {
        await using var clear = await PrivatePostfix.StartAsync(new PostfixOptions());
        await using var gateway = new GatewayProcess(new GatewaySetup
        {
            NextHopPort = clear.Port,
            OtherHops = [("open.example", $"smtp: 127.0.0.1:{clear.Port}")],
            More = "  - recipients: [secret.example]\n    next-hop: open-example\n    tls: required\n",
        });
        await gateway.StartAsync();
        await SendAsync(gateway, "secret.example", 1);
        await SendAsync(gateway, "open.example", 1);
        await clear.WaitForDeliveriesAsync(1, TimeSpan.FromSeconds(20));
        await gateway.Child.WaitForLineAsync("open-example under TLS", TimeSpan.FromSeconds(10));
        Assert.Contains("open.example", await File.ReadAllTextAsync(Directory.GetFiles(clear.DeliveredDirectory).Single(), Cancel), StringComparison.Ordinal);
        Assert.Equal("reader@secret.example", Assert.Single((await gateway.QueueAsync()).EnumerateArray()).GetProperty("recipient").GetString());
        var shown = (await gateway.ToolAsync("route", "show", "secret.example", "--config", gateway.ConfigurationFile)).Checked().Text;
        Assert.Contains("required by the configuration", shown, StringComparison.Ordinal);
    }

    private static async Task SendAsync(GatewayProcess gateway, string domain, int count)
    {
        using var talker = await SmtpTalker.GreetAsync(gateway.RelayPort);
        for (var i = 0; i < count; i++)
        {
            var text = Mails.Text(Mails.NewId(), "sender@example.org", $"reader@{domain}");
            Assert.StartsWith(
                "250", await talker.DeliverAsync("sender@example.org", $"reader@{domain}", Encoding.ASCII.GetBytes(text)), StringComparison.Ordinal);
        }
    }

    /// <summary>The id of each mail that arrived, as often as it did.</summary>
    private static List<string> Marks(PrivatePostfix postfix) => Directory.Exists(postfix.DeliveredDirectory)
        ? [.. Directory.GetFiles(postfix.DeliveredDirectory).Select(f => File.ReadLines(f).First(l => l.StartsWith("Message-ID:", StringComparison.OrdinalIgnoreCase)))]
        : [];

    private static async Task QueueIsEmptyAsync(GatewayProcess gateway)
    {
        for (var until = DateTime.UtcNow.AddSeconds(20); (await gateway.QueueAsync()).GetArrayLength() > 0; await Task.Delay(100, Cancel))
            Assert.True(DateTime.UtcNow < until, gateway.LogText);
    }

    private (string Certificate, string Key) Write(string name, X509Certificate2 certificate, X509Certificate2 issuer)
    {
        File.WriteAllText(_directory[name + ".pem"], certificate.ExportCertificatePem() + "\n" + issuer.ExportCertificatePem() + "\n");
        File.WriteAllText(_directory[name + ".key"], certificate.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
        return (_directory[name + ".pem"], _directory[name + ".key"]);
    }
}
