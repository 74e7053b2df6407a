using System.Security.Cryptography.X509Certificates;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>Who may relay, and how much a stranger may do.</summary>
public sealed class RelayRightsTests
{
    private const string Stranger = "127.0.0.2";

    [Fact]
    public async Task A_certificate_lets_its_peer_relay_and_a_worthless_one_breaks_no_mail_to_us()
    {
        using var pki = new ServerPki();
        using var others = new ServerPki("Others");
        using var folder = new TempDirectory();
        await File.WriteAllTextAsync(folder["ca.pem"], $"{pki.Root.ExportCertificatePem()}\n{pki.Issuer.ExportCertificatePem()}\n", TestContext.Current.CancellationToken);
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true });
        await using var gateway = new GatewayProcess(new GatewaySetup
        {
            NextHopPort = sink.Port,
            SinkPort = sink.Port,
            RelayNetwork = "127.0.0.9/32",
            RelayListener = ["relay-certificates: branch"],
            More = $"relay-certificates:\n  - name: branch\n    ca: {folder["ca.pem"]}\n    names: relay.example.org\n",
        });
        await gateway.StartAsync();

        async Task<ToolResult> SendAsync(X509Certificate2 certificate, string recipient)
        {
            await File.WriteAllTextAsync(folder["client.pem"], pki.Pem(certificate), TestContext.Current.CancellationToken);
            return await Tool.RunAsync("swaks",
            [
                "--server", "127.0.0.1", "--port", $"{gateway.RelayPort}", "--tls", "--tls-cert", folder["client.pem"], "--tls-key", folder["client.pem"],
                "--from", "alice@example.org", "--to", recipient, "--header", "Subject: by certificate",
            ]);
        }

        var good = (await SendAsync(pki.Client(null, "relay.example.org"), "someone@sink.example")).Checked();
        await sink.WaitForAsync(1, TimeSpan.FromSeconds(30));
        Assert.Contains(", client certificate branch)", System.Text.Encoding.Latin1.GetString(sink.Messages[0].Content), StringComparison.Ordinal);
        Assert.Contains("250", good.All, StringComparison.Ordinal);
        foreach (var bad in new[]
        {
            others.Client(null, "relay.example.org"),
            pki.Client(DateTimeOffset.UtcNow.AddMinutes(-1), "relay.example.org"),
            pki.Client(null, "other.example.org"),
            pki.Server("relay.example.org"),
        })
        {
            Assert.Contains("550 5.7.1", (await SendAsync(bad, "someone@sink.example")).All, StringComparison.Ordinal);
            (await SendAsync(bad, "postmaster@example.org")).Checked();
        }
    }

    [Fact]
    public async Task A_stranger_meets_the_rates_and_still_reaches_the_postmaster()
    {
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true });
        await using var gateway = new GatewayProcess(new GatewaySetup
        {
            NextHopPort = sink.Port, RelayListener = ["tls-required: false"], More = "limits: { message-rate-per-address: 2/h, error-rate-per-address: 3/h }\n",
        });
        await gateway.StartAsync();
        using (var talker = await SmtpTalker.GreetAsync(gateway.RelayPort, Stranger))
        {
            for (var i = 0; i < 2; i++)
            {
                Assert.StartsWith("354", await talker.OfferAsync("someone@outside.example", "postmaster@example.org"), StringComparison.Ordinal);
                Assert.StartsWith("250", await talker.SayAsync("Subject: x\r\n\r\nx\r\n."), StringComparison.Ordinal);
            }
            Assert.StartsWith("450 4.7.1", await talker.OfferAsync("someone@outside.example", "bob@example.org"), StringComparison.Ordinal);
            foreach (var postmaster in new[] { "postmaster", "postmaster@example.org", $"postmaster@{GatewaySetup.HostName}", "postmaster@[127.0.0.1]" })
                Assert.StartsWith("250", await talker.SayAsync($"RCPT TO:<{postmaster}>"), StringComparison.Ordinal);
            for (var i = 0; i < 3; i++)
                Assert.StartsWith("500", await talker.SayAsync("JUNK"), StringComparison.Ordinal);
            Assert.StartsWith("421 4.7.0", await talker.SayAsync("JUNK"), StringComparison.Ordinal);
        }
        for (var i = 0; i < 20; i++)
        {
            using var again = await SmtpTalker.ConnectAsync(gateway.RelayPort, Stranger);
            Assert.StartsWith("421 4.7.0", await again.ReadReplyAsync(), StringComparison.Ordinal);
        }
        Assert.InRange(gateway.Child.Log.Count(l => l.Contains($"Refused, from {Stranger}", StringComparison.Ordinal)), 1, 3);
        // Relay networks are exempt.
        using var inside = await SmtpTalker.GreetAsync(gateway.RelayPort);
        for (var i = 0; i < 5; i++)
        {
            Assert.StartsWith("354", await inside.OfferAsync("alice@example.org", "someone@outside.example"), StringComparison.Ordinal);
            Assert.StartsWith("250", await inside.SayAsync("Subject: x\r\n\r\nx\r\n."), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Silent_handshakes_keep_nobody_out()
    {
        await using var sink = new SmtpSink();
        await using var gateway = new GatewayProcess(new GatewaySetup
        {
            NextHopPort = sink.Port, RelayTls = "implicit", RelayListener = ["limits: { tls-handshake-timeout: 3s }"],
        });
        await gateway.StartAsync();
        var silent = new List<SmtpTalker>();
        try
        {
            for (var i = 0; i < 50; i++)
                silent.Add(await SmtpTalker.ConnectAsync(gateway.RelayPort, Stranger));
            using var talker = await SmtpTalker.ConnectAsync(gateway.RelayPort);
            await talker.StartTlsAsync();
            Assert.StartsWith("220", await talker.ReadReplyAsync(), StringComparison.Ordinal);
            // And they are cut.
            foreach (var one in silent)
                Assert.Equal("", await one.ReadReplyAsync());
        }
        finally
        {
            silent.ForEach(s => s.Dispose());
        }
    }
}
