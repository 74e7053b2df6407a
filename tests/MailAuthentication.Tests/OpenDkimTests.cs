using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using GatewaySecure.Milter;
using GatewaySecure.TestKit;

namespace GatewaySecure.MailAuthentication.Tests;

/// <summary>OpenDKIM as the filter that it is: it signs over the milter protocol, and we verify.</summary>
public sealed class OpenDkimTests(AuthenticationFixture fixture)
{
    [Fact]
    public async Task We_verify_what_opendkim_signs()
    {
        using var directory = new TempDirectory();
        var port = Loopback.FreePort();
        var configuration = $"""
            Mode s
            Syslog no
            Background no
            Domain dkim.test
            Selector rsa
            KeyFile {fixture.KeyFile(fixture.Rsa)}
            RequireSafeKeys no
            Canonicalization relaxed/simple
            InternalHosts 192.0.2.1
            Socket inet:{port.ToString(CultureInfo.InvariantCulture)}@127.0.0.1

            """;
        await File.WriteAllTextAsync(directory["opendkim.conf"], configuration, TestContext.Current.CancellationToken);
        await using var server = new ChildServer("/usr/sbin/opendkim", ["-f", "-x", directory["opendkim.conf"]], port);
        await server.StartAsync();

        const string Body = "Text \r\n\r\nmore\r\n\r\n";
        var fields = new[]
        {
            ("From", " Bob <bob@dkim.test>"), ("To", "alice@example.org"), ("Subject", "  folded\r\n\tand spaced"), ("Date", " Mon, 23 Nov 2026 10:00:00 +0000"),
        };
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, port, TestContext.Current.CancellationToken);
        var verdict = await new MilterSession(client.GetStream(), TimeSpan.FromSeconds(20), TimeProvider.System).AskAsync(
            new MilterMail
            {
                HostName = "gw.example.org",
                QueueId = "q1",
                Client = IPAddress.Parse("192.0.2.1"),
                Helo = "client.dkim.test",
                Sender = "bob@dkim.test",
                Recipients = ["alice@example.org"],
                Fields = [.. fields.Select(f => new MilterField(f.Item1, Encoding.ASCII.GetBytes(f.Item2)))],
                Body = new MemoryStream(Encoding.ASCII.GetBytes(Body)),
            },
            TestContext.Current.CancellationToken);
        var added = Assert.Single(Assert.IsType<MilterVerdict.Accepted>(verdict).Added, f => f.Name == "DKIM-Signature");
        var mail = $"{added.Name}: {added.Value}\r\n" + string.Concat(fields.Select(f => $"{f.Item1}:{f.Item2}\r\n")) + "\r\n" + Body;
        var result = Assert.Single((await fixture.ExamineAsync(Encoding.ASCII.GetBytes(mail))).Dkim);
        Assert.Equal((AuthenticationResult.Pass, "signed by dkim.test"), (result.Result, result.Reason));
    }
}
