using System.Globalization;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>Other people's mail programs before and behind the gateway. Each test counts mails and compares octets.</summary>
public sealed class TransportInteropTests(TransportFixture fixture) : IClassFixture<TransportFixture>
{
    private const string Sender = "alice@reports.example";

    private static readonly string[] Bodies =
    [
        "plain\r\n", ".\r\n..\r\n.x\r\n", "trailing  \r\n\t\r\n \r\nend\r\n", "8-bit: Gr\u00c3\u00bc\u00c3\u009fe\r\n", "From the start\r\n>From there\r\n",
        "\r\n\r\n\r\n", "=20=\r\nquoted=3D\r\n", "{900}\r\n",
    ];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Postfix_before_and_behind_under_TLS_both_ways_delivers_every_mail_once_and_unchanged()
    {
        var mails = Make(40, TransportFixture.ToPostfix);
        await SubmitAsync(fixture.Before.Port, TransportFixture.ToPostfix, mails);
        AssertSame(mails, await TransportFixture.ArrivedAsync(fixture.Behind.DeliveredDirectory, mails.Keys));
        Assert.Contains(fixture.Before.Log, l => l.Contains("TLS connection established to 127.0.0.1", StringComparison.Ordinal));
        // The gateway says nothing in clear behind, and that Postfix hears nothing in clear.
        Assert.DoesNotContain(fixture.Behind.Log, l => l.Contains("Must issue a STARTTLS", StringComparison.Ordinal));
        Assert.Equal(0, (await fixture.Gateway.QueueAsync()).GetArrayLength());
    }

    [Fact]
    public async Task What_a_sender_asks_of_reports_goes_through_Postfix_gateway_and_Postfix_and_comes_back()
    {
        var mark = Guid.NewGuid().ToString("N");
        using (var talker = await SmtpTalker.GreetAsync(fixture.Before.Port))
        {
            Assert.StartsWith("250", await talker.SayAsync($"MAIL FROM:<{Sender}> RET=HDRS ENVID=id+2B{mark}"), StringComparison.Ordinal);
            Assert.StartsWith(
                "250", await talker.SayAsync($"RCPT TO:<{TransportFixture.ToPostfix}> NOTIFY=SUCCESS ORCPT=rfc822;first+2Bname@first.example"), StringComparison.Ordinal);
            Assert.StartsWith("354", await talker.SayAsync("DATA"), StringComparison.Ordinal);
            await talker.SendAsync("Subject: report please\r\n\r\nx\r\n.\r\n");
            Assert.StartsWith("250", await talker.ReadReplyAsync(), StringComparison.Ordinal);
        }
        var report = (await TransportFixture.ArrivedAsync(fixture.Behind.DeliveredDirectory, [$"Original-Envelope-Id: id+{mark}"])).Values.Single();
        var text = Encoding.UTF8.GetString(report);
        Assert.Contains("Action: delivered", text, StringComparison.Ordinal);
        Assert.Contains("Original-Recipient: rfc822;first+name@first.example", text.Replace("+2B", "+", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Exim_behind_takes_every_mail_under_TLS_once_and_unchanged()
    {
        var mails = Make(24, TransportFixture.ToExim);
        await SubmitAsync(fixture.Gateway.RelayPort, TransportFixture.ToExim, mails);
        AssertSame(mails, await TransportFixture.ArrivedAsync(fixture.Exim.DeliveredDirectory, mails.Keys));
        foreach (var line in fixture.Exim.Log.Split('\n').Where(l => l.Contains(" <= ", StringComparison.Ordinal)))
            Assert.Contains("P=esmtps X=TLS1", line, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--tls", "--auth", "PLAIN")]
    [InlineData("--tls", "--auth", "LOGIN")]
    [InlineData("--tls", "--auth", "PLAIN", "--pipeline")]
    public async Task Swaks_delivers_by_every_way_that_it_knows(params string[] options)
    {
        var mails = Make(3, TransportFixture.ToSink, "alice@example.org");
        foreach (var mail in mails.Values)
        {
            var file = fixture.Gateway[Guid.NewGuid().ToString("N")];
            // swaks adds a line end of its own.
            await File.WriteAllBytesAsync(file, mail[..^2], Cancel);
            (await Tool.RunAsync("swaks",
            [
                "--server", "127.0.0.1", "--port", $"{fixture.Gateway.SubmissionPort}", "--auth-user", "alice", "--auth-password", GatewaySetup.Password,
                "--from", "alice@example.org", "--to", string.Join(',', Enumerable.Range(0, 50).Select(i => $"r{i}@sink.example")), "--data", "@" + file, .. options,
            ])).Checked();
        }
        var arrived = await SunkAsync(mails);
        Assert.All(arrived.Values, m => Assert.Equal(50, m.Recipients.Count));
        AssertSame(mails, arrived.ToDictionary(a => a.Key, a => a.Value.Content), "\r\n");
    }

    [Theory]
    [InlineData(1024, 400)]
    [InlineData(65_536, 100)]
    [InlineData(1_048_576, 20)]
    public async Task Smtp_source_with_twenty_sessions_delivers_every_mail(int size, int count)
    {
        var recipient = $"size{size}@sink.example";
        (await Tool.RunAsync("smtp-source",
            ["-s", "20", "-m", $"{count}", "-l", $"{size}", "-f", "alice@example.org", "-t", recipient, GatewayProcess.At(fixture.Gateway.RelayPort)])).Checked();
        SinkMessage[] arrived = [];
        for (var until = DateTime.UtcNow.AddSeconds(40); arrived.Length < count && DateTime.UtcNow < until; await Task.Delay(50, Cancel))
            arrived = [.. fixture.Sink.Messages.Where(m => m.Recipients.Contains(recipient))];
        Assert.Equal(count, arrived.Length);
        // It sends the same body each time.
        Assert.Single(arrived.Select(m => Convert.ToHexString(SHA256.HashData(Mails.BodyOf(m.Content)))).Distinct());
        Assert.InRange(Mails.BelowOurReceived(arrived[0].Content).Length, size, size + 1000);
    }

    [Fact]
    public async Task Posttls_finger_finds_TLS_and_the_certificate()
    {
        var at = $"[127.0.0.1]:{fixture.Gateway.SubmissionPort.ToString(CultureInfo.InvariantCulture)}";
        var encrypted = (await Tool.RunAsync("posttls-finger", ["-c", "-l", "encrypt", at])).Checked();
        Assert.Contains("TLS connection established", encrypted.All, StringComparison.Ordinal);
        var fingerprint = await FingerprintAsync();
        var verified = (await Tool.RunAsync("posttls-finger", ["-c", "-l", "fingerprint", "-d", "sha256", at, fingerprint])).Checked();
        Assert.Contains("Verified TLS connection established", verified.All, StringComparison.Ordinal);
        Assert.Contains("TLSv1.3", verified.All, StringComparison.Ordinal);
        var other = await Tool.RunAsync("posttls-finger", ["-c", "-l", "fingerprint", "-d", "sha256", at, "00" + fingerprint[2..]]);
        Assert.DoesNotContain("Verified TLS", other.All, StringComparison.Ordinal);
        // RFC 8996
        var old = await Tool.RunAsync("posttls-finger", ["-c", "-l", "encrypt", "-p", "!TLSv1.2,!TLSv1.3", at]);
        Assert.DoesNotContain("TLS connection established", old.All, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("someone@sink.example")]
    [InlineData("jürgen@sink.example")]
    public async Task Pythons_smtplib_delivers_under_STARTTLS_with_AUTH(string recipient)
    {
        var mails = Make(Bodies.Length, recipient, "alice@example.org");
        var files = new List<string>();
        foreach (var mail in mails.Values)
        {
            files.Add(fixture.Gateway[Guid.NewGuid().ToString("N")]);
            await File.WriteAllBytesAsync(files[^1], mail, Cancel);
        }
        var said = (await Tool.RunAsync("python3",
        [
            Programs.InTree("tests", "interop", "smtp_client.py"), $"{fixture.Gateway.SubmissionPort}", "alice", GatewaySetup.Password, "alice@example.org", recipient, .. files,
        ])).Checked();
        Assert.Equal($"{mails.Count}", said.Text.Trim());
        var arrived = await SunkAsync(mails);
        Assert.All(arrived.Values, m => Assert.Equal([recipient], m.Recipients));
        Assert.All(arrived.Values, m => Assert.Equal(!Ascii.IsValid(recipient), m.MailCommand.Contains(" SMTPUTF8", StringComparison.Ordinal)));
        // RFC 6531 §3.7.3, §4.3
        var trace = $" with {(Ascii.IsValid(recipient) ? "ESMTPSA" : "UTF8SMTPSA")} id ";
        Assert.All(arrived.Values, m => Assert.Contains(trace, Encoding.UTF8.GetString(m.Content), StringComparison.Ordinal));
        Assert.All(arrived.Values, m => Assert.Contains($"\r\n\tfor <{recipient}>;", Encoding.UTF8.GetString(m.Content), StringComparison.Ordinal));
        AssertSame(mails, arrived.ToDictionary(a => a.Key, a => a.Value.Content), "\r\n");
    }

    /// <summary>Each with a mark in its Message-ID, and one of the bodies.</summary>
    private static Dictionary<string, byte[]> Make(int count, string recipient, string sender = Sender) =>
        Enumerable.Range(0, count).ToDictionary(
            _ => Guid.NewGuid().ToString("N"),
            i => Encoding.Latin1.GetBytes(Bodies[i % Bodies.Length].Replace("{900}", new string('x', 900), StringComparison.Ordinal))).ToDictionary(
            m => m.Key,
            m => (byte[])[.. Encoding.UTF8.GetBytes(
                $"From: {sender}\r\nTo: {recipient}\r\nSubject: interop\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <{m.Key}@example.org>\r\n"
                + "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"), .. m.Value]);

    private static async Task SubmitAsync(int port, string recipient, Dictionary<string, byte[]> mails)
    {
        using var talker = await SmtpTalker.GreetAsync(port);
        foreach (var mail in mails.Values)
            Assert.StartsWith("250", await talker.DeliverAsync(Sender, recipient, mail), StringComparison.Ordinal);
    }

    /// <summary>A Maildir has the system's line ends.</summary>
    private static void AssertSame(Dictionary<string, byte[]> sent, Dictionary<string, byte[]> arrived, string lineEnd = "\n")
    {
        Assert.Equal(sent.Count, arrived.Count);
        foreach (var (mark, mail) in sent)
        {
            var expected = Encoding.Latin1.GetString(mail).Replace("\r\n", lineEnd, StringComparison.Ordinal);
            Assert.Equal(expected, Encoding.Latin1.GetString(Mails.BelowOurReceived(arrived[mark]))[^expected.Length..]);
        }
    }

    private async Task<Dictionary<string, SinkMessage>> SunkAsync(Dictionary<string, byte[]> sent)
    {
        for (var until = DateTime.UtcNow.AddSeconds(30); ; await Task.Delay(50, Cancel))
        {
            var found = fixture.Sink.Messages.SelectMany(m => sent.Keys.Where(k => m.Content.AsSpan().IndexOf(Encoding.ASCII.GetBytes(k)) >= 0).Select(k => (k, m))).ToArray();
            if (found.Length >= sent.Count)
                return found.ToDictionary(f => f.k, f => f.m);
            Assert.True(DateTime.UtcNow < until, $"{found.Length} of {sent.Count} mails came in time.");
        }
    }

    /// <summary>SHA-256 of the certificate, as Postfix writes it.</summary>
    private async Task<string> FingerprintAsync()
    {
        using var client = new TcpClient();
        await client.ConnectAsync("127.0.0.1", fixture.Gateway.SubmissionPort, Cancel);
        var stream = client.GetStream();
        var buffer = new byte[4096];
        await stream.ReadAtLeastAsync(buffer, 4, cancellationToken: Cancel);
        foreach (var command in (string[])["EHLO a.example\r\n", "STARTTLS\r\n"])
        {
            await stream.WriteAsync(Encoding.ASCII.GetBytes(command), Cancel);
            await stream.ReadAtLeastAsync(buffer, 4, cancellationToken: Cancel);
        }
        await using var tls = new SslStream(stream, false, (_, certificate, _, _) => certificate is not null);
        await tls.AuthenticateAsClientAsync("localhost");
        return string.Join(':', SHA256.HashData(tls.RemoteCertificate!.GetRawCertData()).Select(b => b.ToString("X2", CultureInfo.InvariantCulture)));
    }
}
