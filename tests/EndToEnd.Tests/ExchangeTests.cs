using System.Globalization;
using System.Text;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>Beside a mail server, with a Postfix in the place of Exchange: every mail arrives once, protected once, and a loop is cut.</summary>
public sealed class ExchangeTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task After_Exchange_every_mail_passes_once_and_none_is_doubled()
    {
        await using var internet = new SmtpSink(new SmtpSinkOptions { Keep = true });
        await using var archive = new SmtpSink(new SmtpSinkOptions { Keep = true });
        var relayPort = Loopback.FreePort();
        await using var exchange = await PrivatePostfix.StartAsync(new PostfixOptions { Parameters = new Dictionary<string, string>
        {
            ["virtual_mailbox_domains"] = "example.org",
            ["virtual_alias_maps"] = "inline:{ forward@example.org=dave@far.example }",
            ["relayhost"] = At(relayPort),
        } });
        await using var gateway = new GatewayProcess(new GatewaySetup
        {
            NextHopPort = internet.Port,
            RelayPort = relayPort,
            SinkPort = archive.Port,
            FurtherHops = [("example.org", exchange.Port, "never")],
            More = "exchange-peers: [127.0.0.1]\njournal: { recipient: journal@archive.example, next-hop: sink }\n",
        });
        await gateway.StartAsync();

        for (var i = 0; i < 3; i++)
        {
            await SendAsync(exchange.Port, "alice@example.org", $"user{i}@far.example");
            await SendAsync(gateway.RelayPort, "eve@far.example", "bob@example.org");
        }
        await SendAsync(gateway.RelayPort, "eve@far.example", "forward@example.org");
        await SendAsync(exchange.Port, "alice@example.org", "journal@archive.example", "X-MS-Journal-Report:\r\n");
        await ArriveAsync(internet, 4, exchange, gateway);
        await archive.WaitForAsync(1, TimeSpan.FromSeconds(60));
        await exchange.WaitForDeliveriesAsync(3, TimeSpan.FromSeconds(60));
        await EmptyAsync(gateway);

        Assert.Equal(4, internet.Count);
        Assert.Equal(1, archive.Count);
        Assert.Equal(3, Directory.GetFiles(exchange.DeliveredDirectory).Length);
        Assert.Equal(["dave@far.example", "user0@far.example", "user1@far.example", "user2@far.example"], internet.Messages.Select(m => m.Recipients[0]).Order());
        // The forwarded one passed twice, as it must: in for the mailbox, and out for whom it forwards to.
        Assert.Equal([1, 1, 1, 2], internet.Messages.Select(m => Count(m.Content, "by gateway.example.org")).Order());

        // Nothing but journal reports goes there.
        await SendAsync(exchange.Port, "alice@example.org", "journal@archive.example");
        await exchange.WaitForDeliveriesAsync(4, TimeSpan.FromSeconds(60));
        Assert.Equal(1, archive.Count);
    }

    [Fact]
    public async Task A_real_loop_with_the_mail_server_is_cut_and_reported_once()
    {
        await using var internet = new SmtpSink(new SmtpSinkOptions { Keep = true });
        var relayPort = Loopback.FreePort();
        // It has no such mailbox and sends everything back to us.
        await using var exchange = await PrivatePostfix.StartAsync(new PostfixOptions { RelayPort = relayPort });
        await using var gateway = new GatewayProcess(new GatewaySetup
        {
            NextHopPort = internet.Port,
            RelayPort = relayPort,
            FurtherHops = [("example.org", exchange.Port, "never")],
        });
        await gateway.StartAsync();
        await SendAsync(gateway.RelayPort, "eve@far.example", "ghost@example.org");
        await internet.WaitForAsync(1, TimeSpan.FromSeconds(120));
        await EmptyAsync(gateway);
        Assert.Equal(1, internet.Count);
        Assert.Equal(("", "eve@far.example"), (internet.Messages[0].From, internet.Messages[0].Recipients[0]));
        Assert.Contains("5.4.6", Encoding.Latin1.GetString(internet.Messages[0].Content), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Redirected_and_returned_mail_is_protected_once_and_leaves_once()
    {
        await using var internet = new SmtpSink(new SmtpSinkOptions { Keep = true });
        var relayPort = Loopback.FreePort();
        await using var exchange = await PrivatePostfix.StartAsync(new PostfixOptions { Parameters = new Dictionary<string, string>
        {
            ["virtual_mailbox_domains"] = "example.org",
            // The rule, and its exception: what carries the mark goes out.
            ["content_filter"] = $"smtp:{At(relayPort)}",
            // What could not be handed over at once is tried again within the test's patience.
            ["queue_run_delay"] = "2s",
            ["minimal_backoff_time"] = "2s",
            ["maximal_backoff_time"] = "4s",
            ["header_checks"] = $"regexp:{{ {{/^X-GatewaySecure-Processed: v1; t=[0-9]+; to=/ FILTER smtp:{At(internet.Port)}}} }}",
        } });
        using var partner = new Partner("partner@partner.example");
        await using var gateway = new GatewayProcess(new GatewaySetup
        {
            NextHopPort = exchange.Port,
            RelayPort = relayPort,
            Marks = true,
            Tnef = "open",
            More = "exchange-peers: [127.0.0.1]\n",
        });
        partner.TellAuthority(gateway);
        partner.TellCertificate(gateway);
        await gateway.StartAsync();

        await SendAsync(exchange.Port, "alice@example.org", "partner@partner.example", body: Mails.Winmail());
        for (var i = 0; i < 3; i++)
            await SendAsync(exchange.Port, "alice@example.org", $"user{i}@far.example");
        await internet.WaitForAsync(4, TimeSpan.FromSeconds(60));
        await EmptyAsync(gateway);
        Assert.Equal(4, internet.Count);
        Assert.Equal(4, Count(Encoding.Latin1.GetBytes(gateway.LogText), " accepted from "));
        Assert.All(internet.Messages, m => Assert.Equal(1, Count(m.Content, "X-GatewaySecure-Processed: v1;")));

        var sealedMail = internet.Messages.Single(m => m.Recipients[0] == "partner@partner.example").Content;
        Assert.Equal(1, Count(sealedMail, "application/pkcs7-mime"));
        await File.WriteAllBytesAsync(gateway["partner.eml"], sealedMail, Cancel);
        var clear = await File.ReadAllTextAsync(await partner.DecryptAsync(gateway["partner.eml"]), Cancel);
        Assert.Contains("<p>rich</p>", clear, StringComparison.Ordinal);
        Assert.Contains("report.pdf", clear, StringComparison.Ordinal);
        Assert.DoesNotContain("winmail.dat", clear, StringComparison.Ordinal);
        Assert.Contains("TNEF was opened to MIME, 1 attachments.", gateway.LogText, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_redirect_without_its_exception_is_cut_at_the_first_return()
    {
        await using var internet = new SmtpSink(new SmtpSinkOptions { Keep = true });
        var relayPort = Loopback.FreePort();
        await using var exchange = await PrivatePostfix.StartAsync(new PostfixOptions { Parameters = new Dictionary<string, string>
        {
            ["virtual_mailbox_domains"] = "example.org",
            ["content_filter"] = $"smtp:{At(relayPort)}",
            ["relayhost"] = At(internet.Port),
        } });
        await using var gateway = new GatewayProcess(new GatewaySetup
        {
            NextHopPort = exchange.Port, RelayPort = relayPort, Marks = true, More = "exchange-peers: [127.0.0.1]\n",
        });
        await gateway.StartAsync();
        await SendAsync(exchange.Port, "alice@example.org", "carol@far.example");
        var report = Assert.Single(await exchange.WaitForDeliveriesAsync(1, TimeSpan.FromSeconds(60)));
        Assert.Contains("was dealt with here before", (await File.ReadAllTextAsync(report, Cancel)).ReplaceLineEndings(" "), StringComparison.Ordinal);
        await EmptyAsync(gateway);
        Assert.Single(Directory.GetFiles(exchange.DeliveredDirectory));
        Assert.Equal(0, internet.Count);
        Assert.Equal(1, Count(Encoding.Latin1.GetBytes(gateway.LogText), " accepted from "));
    }

    private static string At(int port) => string.Create(CultureInfo.InvariantCulture, $"[127.0.0.1]:{port}");

    private static async Task SendAsync(int port, string sender, string recipient, string header = "", string body = "\r\nhello\r\n")
    {
        using var folder = new TempDirectory();
        await File.WriteAllTextAsync(
            folder["mail"],
            $"{header}From: {sender}\r\nTo: {recipient}\r\nSubject: hello\r\nDate: {DateTimeOffset.UtcNow:r}\r\nMessage-ID: <{Mails.NewId()}>\r\n{body}",
            Cancel);
        (await Tool.RunAsync("swaks",
            ["--server", "127.0.0.1", "--port", $"{port}", "--from", sender, "--to", recipient, "--data", "@" + folder["mail"]])).Checked();
    }

    private static async Task ArriveAsync(SmtpSink sink, int count, PrivatePostfix exchange, GatewayProcess gateway)
    {
        try
        {
            await sink.WaitForAsync(count, TimeSpan.FromSeconds(60));
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"{e.Message}\nPostfix:\n{string.Join('\n', exchange.Log.TakeLast(40))}\nGateway:\n{gateway.LogText}", e);
        }
    }

    /// <summary>The gateway has nothing left to do.</summary>
    private static async Task EmptyAsync(GatewayProcess gateway)
    {
        var until = DateTime.UtcNow.AddSeconds(60);
        while (Directory.EnumerateFiles(Path.Combine(gateway.SpoolFolder, "queue"), "*.mail").Any())
        {
            Assert.True(DateTime.UtcNow < until, "Mail stays in the queue:\n" + gateway.LogText);
            await Task.Delay(100, Cancel);
        }
    }

    private static int Count(byte[] octets, string text) => Encoding.Latin1.GetString(octets).Split(text).Length - 1;
}
