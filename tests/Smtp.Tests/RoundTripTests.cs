using System.IO.Pipelines;
using System.Text;
using GatewaySecure.Addresses;
using GatewaySecure.Smtp.Client;
using GatewaySecure.Smtp.Server;
using Microsoft.Extensions.Time.Testing;

namespace GatewaySecure.Smtp.Tests;

/// <summary>Our client and our server against each other, in memory.</summary>
public sealed class RoundTripTests
{
    private static readonly Envelope Simple = new()
    {
        Sender = MailAddress.Parse("a@example.com"),
        Recipients = [new EnvelopeRecipient(MailAddress.Parse("b@example.org"))],
    };

    private static SmtpClientOptions Client { get; } = new()
    {
        LocalName = DomainName.Parse("client.example"),
        TargetHost = "mx.example.org",
        CertificateValidation = (_, certificate, _, _) => certificate!.GetCertHashString() == TestCertificate.Instance.GetCertHashString(),
    };

    public static TheoryData<string, bool, bool> Contents()
    {
        var data = new TheoryData<string, bool, bool>();
        foreach (var name in new[] { "empty", "dots", "long line", "controls and 8-bit", "no final newline", "random", "large", "final dot" })
        {
            foreach (var chunked in new[] { false, true })
            {
                data.Add(name, chunked, false);
                data.Add(name, chunked, true);
            }
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Contents))]
    public async Task Content_arrives_as_the_same_octets(string name, bool chunked, bool tls)
    {
        var content = Make(name);
        await using var server = new TestServer(TestServer.Options() with { Tls = tls ? TestCertificate.Server : null });
        var options = Client with { UseChunking = chunked, Tls = tls ? TlsPolicy.Required : TlsPolicy.Never };
        await using var session = await SmtpClientSession.ConnectAsync(server.ClientStream, options, TestContext.Current.CancellationToken);
        Assert.Equal(tls, session.IsTls);
        for (var i = 0; i < 3; i++)
        {
            var result = Assert.Single(await session.SendAsync(Simple, content, TestContext.Current.CancellationToken));
            Assert.Equal(250, result.Reply.Code);
            Assert.True(session.IsUsable);
        }
        await session.QuitAsync(TestContext.Current.CancellationToken);
        await server.Running;
        Assert.Equal(3, server.Handler.Messages.Count);
        foreach (var message in server.Handler.Messages)
        {
            // DATA can't carry a last line without its end; BDAT can.
            var expected = chunked || content.Octets.Length == 0 || content.Octets.AsSpan().EndsWith("\r\n"u8) ? content.Octets : [.. content.Octets, .. "\r\n"u8];
            Assert.True(expected.AsSpan().SequenceEqual(message.Content), $"{name}: {expected.Length} octets sent, {message.Content.Length} arrived");
            Assert.Equal(tls ? "ESMTPS" : "ESMTP", message.Protocol);
            Assert.Equal(tls, message.Peer.TlsDescription?.StartsWith("TLSv1.3:TLS_", StringComparison.Ordinal) ?? false);
        }
    }

    [Fact]
    public async Task Implicit_tls_and_authentication_work_together()
    {
        var options = TestServer.Options() with { Tls = TestCertificate.Server, ImplicitTls = true, OfferAuthentication = true };
        await using var server = new TestServer(options);
        var client = Client with { ImplicitTls = true, Tls = TlsPolicy.Required, Credentials = new SmtpCredentials("ü", "secret") };
        await using var session = await SmtpClientSession.ConnectAsync(server.ClientStream, client, TestContext.Current.CancellationToken);
        await session.SendAsync(Simple, Make("dots"), TestContext.Current.CancellationToken);
        await session.QuitAsync(TestContext.Current.CancellationToken);
        var message = Assert.Single(server.Handler.Messages);
        Assert.Equal("ESMTPSA", message.Protocol);
        Assert.Equal("ü", message.Peer.AuthenticatedAs);
    }

    [Fact]
    public async Task Wrong_password_is_a_refusal()
    {
        await using var server = new TestServer(TestServer.Options() with { Tls = TestCertificate.Server, OfferAuthentication = true });
        var client = Client with { Credentials = new SmtpCredentials("user", "wrong") };
        var e = await Assert.ThrowsAsync<SmtpClientException>(
            () => SmtpClientSession.ConnectAsync(server.ClientStream, client, TestContext.Current.CancellationToken));
        Assert.Equal((SmtpClientFailure.Refused, 535), (e.Kind, e.Reply!.Code));
    }

    [Fact]
    public async Task Certificate_that_is_not_believed_ends_the_session_before_mail()
    {
        await using var server = new TestServer(TestServer.Options() with { Tls = TestCertificate.Server });
        var client = Client with { Tls = TlsPolicy.Required, CertificateValidation = null };
        var e = await Assert.ThrowsAsync<SmtpClientException>(
            () => SmtpClientSession.ConnectAsync(server.ClientStream, client, TestContext.Current.CancellationToken));
        Assert.Equal(SmtpClientFailure.TlsUnavailable, e.Kind);
        Assert.Empty(server.Handler.Messages);
    }

    [Fact]
    public async Task Thousand_recipients_travel_in_one_group()
    {
        var envelope = Simple with
        {
            Recipients = [.. Enumerable.Range(0, 1000).Select(i => new EnvelopeRecipient(MailAddress.Parse(FormattableString.Invariant($"r{i}@example.org"))))],
        };
        var handler = new RecordingHandler
        {
            OnRecipient = r => r.Address.LocalPart.EndsWith('7') ? new SmtpReply(550, "5.1.1", "No such user") : new SmtpReply(250, "2.1.5", "ok"),
        };
        await using var server = new TestServer(handler: handler);
        await using var session = await SmtpClientSession.ConnectAsync(
            server.ClientStream, Client with { Tls = TlsPolicy.Never }, TestContext.Current.CancellationToken);
        var results = await session.SendAsync(envelope, Make("dots"), TestContext.Current.CancellationToken);
        Assert.Equal(1000, results.Length);
        Assert.All(results, r => Assert.Equal(r.Recipient.Address.LocalPart.EndsWith('7') ? 550 : 250, r.Reply.Code));
        Assert.Equal(900, Assert.Single(handler.Messages).Envelope.Recipients.Length);
    }

    [Fact]
    public async Task Refused_message_leaves_the_session_usable_for_the_next()
    {
        var refuse = true;
        var handler = new RecordingHandler { OnRecipient = _ => refuse ? new SmtpReply(550, "5.1.1", "no") : new SmtpReply(250, "2.1.5", "ok") };
        await using var server = new TestServer(handler: handler);
        await using var session = await SmtpClientSession.ConnectAsync(
            server.ClientStream, Client with { Tls = TlsPolicy.Never }, TestContext.Current.CancellationToken);
        Assert.Equal(550, (await session.SendAsync(Simple, Make("dots"), TestContext.Current.CancellationToken))[0].Reply.Code);
        refuse = false;
        Assert.Equal(250, (await session.SendAsync(Simple, Make("dots"), TestContext.Current.CancellationToken))[0].Reply.Code);
    }

    [Theory]
    [InlineData("a\n\n")]
    [InlineData("\n")]
    [InlineData("a\r")]
    [InlineData("\r\r\n")]
    [InlineData("a\r\n\n.\r\n")]
    [InlineData("a\n.\r\nMAIL FROM:<evil@example.com>\r\n")]
    [InlineData("a\r\n.\rb\r\n")]
    public async Task Bare_line_ends_reach_nobody(string text)
    {
        foreach (var chunked in new[] { false, true })
        {
            await using var server = new TestServer();
            await using var session = await SmtpClientSession.ConnectAsync(
                server.ClientStream, Client with { Tls = TlsPolicy.Never, UseChunking = chunked }, TestContext.Current.CancellationToken);
            var result = Assert.Single(await session.SendAsync(Simple, new TextContent(text), TestContext.Current.CancellationToken));
            // By DATA our client does not say it; by BDAT our server does not take it.
            Assert.Equal("554 5.6.0", $"{result.Reply.Code} {result.Reply.Status}");
            Assert.Equal(chunked, session.IsUsable);
            Assert.Empty(server.Handler.Messages);
        }
    }

    [Fact]
    public async Task Silent_peer_is_given_up_after_the_greeting_timeout()
    {
        var time = new FakeTimeProvider();
        await using var stream = new DuplexPipeStream(new DuplexPipe(new Pipe().Reader, new Pipe().Writer));
        var connecting = SmtpClientSession.ConnectAsync(stream, Client with { TimeProvider = time }, TestContext.Current.CancellationToken);
        time.Advance(TimeSpan.FromMinutes(4.9));
        Assert.False(connecting.IsCompleted);
        time.Advance(TimeSpan.FromMinutes(0.2));
        var e = await Assert.ThrowsAsync<SmtpClientException>(() => connecting.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken));
        Assert.Equal(SmtpClientFailure.Connection, e.Kind);
        Assert.IsType<TimeoutException>(e.InnerException);
    }

    [Fact]
    public async Task Peer_that_says_an_octet_now_and_then_gets_no_more_time()
    {
        var time = new FakeTimeProvider();
        var peer = new Pipe();
        await using var stream = new DuplexPipeStream(new DuplexPipe(peer.Reader, new Pipe().Writer));
        var connecting = SmtpClientSession.ConnectAsync(stream, Client with { TimeProvider = time }, TestContext.Current.CancellationToken);
        for (var i = 0; i < 4; i++)
        {
            await peer.Writer.WriteAsync("2"u8.ToArray(), TestContext.Current.CancellationToken);
            time.Advance(TimeSpan.FromMinutes(1.3));
        }
        var e = await Assert.ThrowsAsync<SmtpClientException>(() => connecting.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken));
        Assert.Equal("Timed out waiting for the greeting, after 300 seconds.", e.Message);
    }

    [Fact]
    public async Task Server_that_does_not_answer_the_message_in_time_makes_it_unknown()
    {
        var time = new FakeTimeProvider();
        var never = new TaskCompletionSource<SmtpReply>();
        await using var server = new TestServer(handler: new RecordingHandler { OnCommit = () => never.Task });
        await using var session = await SmtpClientSession.ConnectAsync(
            server.ClientStream, Client with { Tls = TlsPolicy.Never, TimeProvider = time }, TestContext.Current.CancellationToken);
        var sending = session.SendAsync(Simple, Make("dots"), TestContext.Current.CancellationToken);
        for (var i = 0; i < 500 && !sending.IsCompleted; i++)
        {
            time.Advance(TimeSpan.FromSeconds(10));
            await Task.WhenAny(sending, Task.Delay(5, TestContext.Current.CancellationToken));
        }
        Assert.Equal(SmtpClientFailure.Connection, (await Assert.ThrowsAsync<SmtpClientException>(() => sending)).Kind);
        Assert.False(session.IsUsable);
        never.SetResult(new SmtpReply(451, "4.3.0", "too late"));
    }

    [Fact]
    public async Task Cancelled_caller_gets_his_cancellation_and_an_unusable_session()
    {
        var never = new TaskCompletionSource<SmtpReply>();
        await using var server = new TestServer(handler: new RecordingHandler { OnCommit = () => never.Task });
        await using var session = await SmtpClientSession.ConnectAsync(
            server.ClientStream, Client with { Tls = TlsPolicy.Never }, TestContext.Current.CancellationToken);
        using var caller = new CancellationTokenSource();
        var sending = session.SendAsync(Simple, Make("dots"), caller.Token);
        await caller.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sending.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken));
        Assert.False(session.IsUsable);
        never.SetResult(new SmtpReply(451, "4.3.0", "too late"));
    }

    private static BytesContent Make(string name)
    {
        var random = new Random(5);
        return new BytesContent(name switch
        {
            "empty" => [],
            "dots" => ".\r\n..\r\n.a\r\n\r\n.\r\n...\r\nb.\r\n"u8.ToArray(),
            "final dot" => "a\r\n."u8.ToArray(),
            "long line" => Encoding.ASCII.GetBytes(new string('x', 100_000) + "\r\n.\r\n"),
            "controls and 8-bit" => [.. Enumerable.Range(0, 256).Where(i => i is not 0 and not 10 and not 13).Select(i => (byte)i), 13, 10],
            "no final newline" => "Subject: x\r\n\r\nend"u8.ToArray(),
            "random" => Encoding.Latin1.GetBytes(string.Concat(Enumerable.Range(0, 20_000).Select(_ => random.Next(6) switch
            {
                0 => "\r\n", 1 => ".", 2 => "\r\n.", 3 => "\x01", _ => ((char)random.Next(128, 256)).ToString(),
            }))),
            "large" => Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat(".0123456789012345678901234567890123456789012345678901234567890123456789\r\n", 40_000))),
            _ => throw new ArgumentException(name),
        });
    }

    /// <summary>Octets in pieces of odd sizes.</summary>
    private sealed class BytesContent(byte[] octets) : IOutgoingContent
    {
        public byte[] Octets => octets;

        public long Length => octets.Length;

        public bool MayHoldEightBit => octets.Any(o => o > 127);

        public async ValueTask WriteToAsync(Stream destination, CancellationToken cancellationToken)
        {
            var random = new Random(3);
            for (var start = 0; start < octets.Length;)
            {
                var count = Math.Min(octets.Length - start, random.Next(1, octets.Length < 1000 ? 3 : 50_000));
                await destination.WriteAsync(octets.AsMemory(start, count), cancellationToken);
                start += count;
            }
        }
    }
}
