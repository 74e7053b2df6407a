using System.IO.Pipelines;
using System.Net.Security;
using System.Text;
using GatewaySecure.Addresses;
using GatewaySecure.Smtp.Client;
using GatewaySecure.Smtp.Server;

namespace GatewaySecure.Smtp.Tests;

/// <summary>A client session across the edge of STARTTLS.</summary>
public sealed class ClientTlsTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_a_peer_offered_in_clear_counts_for_nothing_under_tls()
    {
        var (up, down) = (new Pipe(), new Pipe());
        await using var client = new DuplexPipeStream(new DuplexPipe(down.Reader, up.Writer));
        await using var peer = new DuplexPipeStream(new DuplexPipe(up.Reader, down.Writer));
        var options = new SmtpClientOptions
        {
            LocalName = DomainName.Parse("client.example"),
            TargetHost = "mx.example.org",
            Tls = TlsPolicy.Required,
            CertificateValidation = (_, certificate, _, _) => certificate!.GetCertHashString() == TestCertificate.Instance.GetCertHashString(),
        };
        var connecting = SmtpClientSession.ConnectAsync(client, options, Cancel);

        await SayAsync(peer, "220 mx");
        Assert.Equal("EHLO client.example", await HearAsync(peer));
        await SayAsync(peer, "250-mx\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250-SIZE 1\r\n250-AUTH PLAIN\r\n250 STARTTLS");
        Assert.Equal("STARTTLS", await HearAsync(peer));
        await SayAsync(peer, "220 go");
        await using var tls = new SslStream(peer);
        await tls.AuthenticateAsServerAsync(TestCertificate.Server, Cancel);
        Assert.Equal("EHLO client.example", await HearAsync(tls));
        await SayAsync(tls, "250 mx");

        await using var session = await connecting.WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        Assert.True(session.IsTls);
        Assert.Equal(SmtpExtensions.None, session.Extensions);
    }

    private static async Task SayAsync(Stream stream, string reply)
    {
        await stream.WriteAsync(Encoding.ASCII.GetBytes(reply + "\r\n"), Cancel);
        await stream.FlushAsync(Cancel);
    }

    private static async Task<string> HearAsync(Stream stream)
    {
        var line = new StringBuilder();
        var octet = new byte[1];
        while (!line.ToString().EndsWith("\r\n", StringComparison.Ordinal) && await stream.ReadAsync(octet, Cancel) == 1)
            line.Append((char)octet[0]);
        return line.ToString().TrimEnd();
    }
}
