using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using GatewaySecure.Addresses;
using GatewaySecure.Smtp;
using GatewaySecure.Smtp.Client;

namespace GatewaySecure.Demo;

/// <summary>Alice's mail program, as far as the tour needs one: SMTP with STARTTLS and AUTH.</summary>
/// <param name="server">The one certificate that it trusts.</param>
internal sealed class DemoMail(int port, string userName, string password, X509Certificate2 server)
{
    public const string Secret = "The merger is signed on Friday.";

    public static string Text(string to, string subject) =>
        $"""
        From: Alice <alice@example.org>
        To: {to}
        Subject: {subject}
        Date: {DateTimeOffset.UtcNow:ddd, dd MMM yyyy HH:mm:ss} +0000
        Message-ID: <{Guid.NewGuid():N}@example.org>
        MIME-Version: 1.0
        Content-Type: text/plain; charset=utf-8

        {Secret}

        """.ReplaceLineEndings("\r\n");

    /// <returns>What the gateway answered for the recipient.</returns>
    public async Task<SmtpReply> SendAsync(string to, string text, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Loopback, port, cancellationToken);
        var options = new SmtpClientOptions
        {
            LocalName = DomainName.Parse("alices-desk.example.org"),
            TargetHost = "localhost",
            Tls = TlsPolicy.Required,
            CertificateValidation = (_, shown, _, _) => shown is not null && shown.GetRawCertData().AsSpan().SequenceEqual(server.RawData),
            Credentials = new SmtpCredentials(userName, password),
        };
        await using var session = await SmtpClientSession.ConnectAsync(new NetworkStream(socket, ownsSocket: true), options, cancellationToken);
        var envelope = new Envelope
        {
            Sender = MailAddress.Parse("alice@example.org"),
            Recipients = [new EnvelopeRecipient(MailAddress.Parse(to))],
        };
        var results = await session.SendAsync(envelope, new Content(Encoding.UTF8.GetBytes(text)), cancellationToken);
        await session.QuitAsync(cancellationToken);
        return results[0].Reply;
    }

    private sealed class Content(byte[] octets) : IOutgoingContent
    {
        public long Length => octets.Length;

        public bool MayHoldEightBit => false;

        public ValueTask WriteToAsync(Stream destination, CancellationToken cancellationToken) => destination.WriteAsync(octets, cancellationToken);
    }
}
