using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using System.Text;
using GatewaySecure.Smtp.Server;
using MailKit.Net.Smtp;
using MailKit.Security;
using MimeKit;

namespace GatewaySecure.Smtp.Tests;

/// <summary>A client that others wrote, over a real socket.</summary>
public sealed class MailKitTests
{
    [Theory]
    [InlineData(SecureSocketOptions.None)]
    [InlineData(SecureSocketOptions.StartTls)]
    [InlineData(SecureSocketOptions.SslOnConnect)]
    public async Task MailKit_delivers(SecureSocketOptions security)
    {
        var handler = new RecordingHandler();
        var options = TestServer.Options() with
        {
            Tls = security == SecureSocketOptions.None ? null : TestCertificate.Server,
            ImplicitTls = security == SecureSocketOptions.SslOnConnect,
            OfferAuthentication = true,
        };
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var serving = ServeOneAsync(listener, options, handler);

        using var client = new SmtpClient();
        client.ServerCertificateValidationCallback = (_, certificate, _, _) =>
            certificate!.GetCertHashString() == TestCertificate.Instance.GetCertHashString();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        await client.ConnectAsync("127.0.0.1", port, security, TestContext.Current.CancellationToken);
        if (security != SecureSocketOptions.None)
            await client.AuthenticateAsync("user", "secret", TestContext.Current.CancellationToken);
        var body = "Grüße\r\n.dot\r\n..two\r\n" + new string('x', 500);
        foreach (var chunked in new[] { true, false })
        {
            client.Capabilities = chunked ? client.Capabilities | SmtpCapabilities.Chunking : client.Capabilities & ~SmtpCapabilities.Chunking;
            var mail = new MimeMessage { Subject = "hello", Body = new TextPart("plain") { Text = body, ContentTransferEncoding = ContentEncoding.EightBit } };
            mail.From.Add(new MailboxAddress("Jürgen", "jürgen@example.com"));
            mail.To.Add(new MailboxAddress("B", "b@example.org"));
            mail.Cc.Add(new MailboxAddress("C", "c@example.org"));
            await client.SendAsync(mail, TestContext.Current.CancellationToken);
        }
        await client.DisconnectAsync(quit: true, TestContext.Current.CancellationToken);
        await serving.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);

        Assert.Equal(2, handler.Messages.Count);
        foreach (var (envelope, content, protocol, peer) in handler.Messages)
        {
            Assert.Equal(security == SecureSocketOptions.None ? "UTF8SMTP" : "UTF8SMTPSA", protocol);
            Assert.Equal(security == SecureSocketOptions.None ? null : "user", peer.AuthenticatedAs);
            Assert.Equal(2, envelope.Recipients.Length);
            Assert.Equal("jürgen@example.com", envelope.Sender!.ToString());
            Assert.Contains(body, Encoding.UTF8.GetString(content), StringComparison.Ordinal);
        }
    }

    private static async Task ServeOneAsync(TcpListener listener, SmtpServerOptions options, RecordingHandler handler)
    {
        using var socket = await listener.AcceptTcpClientAsync();
        await using var stream = socket.GetStream();
        var transport = new DuplexPipe(PipeReader.Create(stream), PipeWriter.Create(stream));
        await new SmtpServerSession(transport, TestServer.Peer, options, handler, TimeProvider.System).RunAsync(CancellationToken.None);
    }
}
