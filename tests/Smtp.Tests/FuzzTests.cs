using System.Text;
using System.Text.RegularExpressions;

namespace GatewaySecure.Smtp.Tests;

/// <summary>Seeded nonsense in each state: no exception leaves the session, and every reply is well formed.</summary>
public sealed partial class FuzzTests
{
    private static readonly string[] Fragments =
    [
        "EHLO x\r\n", "HELO\r\n", "MAIL FROM:<a@example.com>", "MAIL FROM:<>", "RCPT TO:<b@example.org>", "RCPT TO:<postmaster>", "\r\n", "\r", "\n", ".", ".\r\n",
        "\r\n.\r\n", "DATA\r\n", "BDAT 3\r\n", "BDAT 7 LAST\r\n", "BDAT 0 LAST\r\n", "RSET\r\n", "NOOP\r\n", "VRFY x\r\n", "AUTH PLAIN\r\n", "*\r\n", " SIZE=5", " BODY=8BITMIME",
        " NOTIFY=NEVER", " ORCPT=rfc822;x", " ENVID=+", "<", ">", "@", "\"", "\\", "[IPv6:", "=", ",", ";", "\0", "\u00ff", "\u00c3\u00bc", " SMTPUTF8", "abc", "STARTTLS\r\n",
        "XCLIENT ADDR=192.0.2.7 LOGIN=x\r\n", "XCLIENT ", "ADDR=[UNAVAILABLE]",
    ];

    [Theory]
    [InlineData("")]
    [InlineData("EHLO client.example\r\n")]
    [InlineData("EHLO client.example\r\nMAIL FROM:<a@example.com>\r\n")]
    [InlineData("EHLO client.example\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\n")]
    [InlineData("EHLO client.example\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n")]
    [InlineData("EHLO client.example\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nBDAT 5\r\n")]
    public async Task Nonsense_gets_well_formed_replies(string start)
    {
        for (var seed = 0; seed < 150; seed++)
        {
            var random = new Random(seed);
            var options = TestServer.Options() with
            {
                MaxErrors = 1000, MaxJunkCommands = 1000, NormaliseBareLineEnds = seed % 2 == 0, Tls = seed % 5 == 0 ? TestCertificate.Server : null, OfferXclient = seed % 3 == 0,
            };
            await using var server = new TestServer(options);
            await server.SendAsync(start);
            for (var i = 0; i < 30; i++)
            {
                await server.SendAsync(random.Next(4) == 0
                    ? Encoding.Latin1.GetString([.. Enumerable.Range(0, random.Next(1, 20)).Select(_ => (byte)random.Next(256))])
                    : Fragments[random.Next(Fragments.Length)]);
                if (server.Running.IsCompleted)
                    break;
            }
            server.Hangup();
            await server.Running.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
            // A handshake began where STARTTLS was said; what follows 220 is then not text.
            var inTls = false;
            while (!inTls && await server.ReadLineAsync() is { } line)
            {
                Assert.Matches(ReplyLine(), line);
                inTls = line.StartsWith("220 2.0.0", StringComparison.Ordinal);
            }
            Assert.Equal(server.Handler.SinksOpened, server.Handler.SinksDisposed);
            foreach (var fault in server.Handler.Faults)
                Assert.True(fault is IOException or InvalidDataException or OperationCanceledException or System.Security.Authentication.AuthenticationException, fault.ToString());
            foreach (var message in server.Handler.Messages)
            {
                var text = Encoding.Latin1.GetString(message.Content).Replace("\r\n", "", StringComparison.Ordinal);
                Assert.DoesNotContain("\r", text, StringComparison.Ordinal);
                Assert.DoesNotContain("\n", text, StringComparison.Ordinal);
            }
        }
    }

    [GeneratedRegex("^[2-5][0-9][0-9][ -][ -~]*$")]
    private static partial Regex ReplyLine();
}
