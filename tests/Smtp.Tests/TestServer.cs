using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using GatewaySecure.Addresses;
using GatewaySecure.Smtp.Server;

namespace GatewaySecure.Smtp.Tests;

internal sealed record DuplexPipe(PipeReader Input, PipeWriter Output) : IDuplexPipe;

/// <summary>A server session on pipes, with the client's ends in the test's hand. Latin-1 text stands for octets.</summary>
internal sealed class TestServer : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly CancellationTokenSource _shutdown = new();
    private readonly StringBuilder _unread = new();

    public TestServer(SmtpServerOptions? options = null, RecordingHandler? handler = null, TimeProvider? time = null, bool stepwise = false)
    {
        Handler = handler ?? new RecordingHandler();
        // A threshold of one octet: a write ends only when the server has looked at it, so pieces arrive as they were sent.
        var upOptions = stepwise ? new PipeOptions(pauseWriterThreshold: 1, resumeWriterThreshold: 1) : PipeOptions.Default;
        var up = new Pipe(upOptions);
        var down = new Pipe(new PipeOptions(pauseWriterThreshold: 0));
        ToServer = up.Writer;
        FromServer = down.Reader;
        Session = new SmtpServerSession(
            new DuplexPipe(up.Reader, down.Writer), Peer, options ?? Options(), Handler, time ?? TimeProvider.System);
        Running = Session.RunAsync(_shutdown.Token, Abort.Token);
    }

    public static SmtpPeer Peer { get; } = new()
    {
        RemoteEndPoint = new IPEndPoint(IPAddress.Loopback, 40000),
        LocalEndPoint = new IPEndPoint(IPAddress.Loopback, 25),
    };

    public RecordingHandler Handler { get; }

    public SmtpServerSession Session { get; }

    public Task Running { get; }

    public CancellationTokenSource Abort { get; } = new();

    public PipeWriter ToServer { get; }

    public PipeReader FromServer { get; }

    /// <summary>The client's side as a stream.</summary>
    public Stream ClientStream => new DuplexPipeStream(new DuplexPipe(FromServer, ToServer));

    public static SmtpServerOptions Options() => new() { ServerName = DomainName.Parse("mx.example.org") };

    public void Shutdown() => _shutdown.Cancel();

    public async Task SendAsync(string text) => await ToServer.WriteAsync(Encoding.Latin1.GetBytes(text));

    public void Hangup() => ToServer.Complete();

    /// <summary>The next line without CRLF; null at the end of the connection.</summary>
    public async Task<string?> ReadLineAsync()
    {
        while (true)
        {
            var text = _unread.ToString();
            var end = text.IndexOf("\r\n", StringComparison.Ordinal);
            if (end >= 0)
            {
                _unread.Remove(0, end + 2);
                return text[..end];
            }
            using var patience = new CancellationTokenSource(Patience);
            var result = await FromServer.ReadAsync(patience.Token);
            foreach (var segment in result.Buffer)
                _unread.Append(Encoding.Latin1.GetString(segment.Span));
            FromServer.AdvanceTo(result.Buffer.End);
            if (result.Buffer.IsEmpty && result.IsCompleted)
            {
                Assert.Equal("", _unread.ToString());
                return null;
            }
        }
    }

    /// <summary>The last line of the next reply.</summary>
    public async Task<string?> ReplyAsync()
    {
        while (true)
        {
            var line = await ReadLineAsync();
            if (line is null || line.Length < 4 || line[3] == ' ')
                return line;
        }
    }

    /// <summary>Sends lines, each with CRLF, and gives the reply to the last one.</summary>
    public async Task<string?> AskAsync(params string[] lines)
    {
        string? reply = null;
        foreach (var line in lines)
        {
            await SendAsync(line + "\r\n");
            reply = await ReplyAsync();
        }
        return reply;
    }

    /// <summary>Greeting read, EHLO said, and where asked MAIL and RCPT.</summary>
    public async Task StartAsync(bool transaction = false)
    {
        Assert.StartsWith("220 ", await ReplyAsync(), StringComparison.Ordinal);
        Assert.StartsWith("250 ", await AskAsync("EHLO client.example"), StringComparison.Ordinal);
        if (transaction)
            Assert.StartsWith("250 ", await AskAsync("MAIL FROM:<a@example.com>", "RCPT TO:<b@example.org>"), StringComparison.Ordinal);
    }

    public async ValueTask DisposeAsync()
    {
        ToServer.Complete();
        await Running.WaitAsync(Patience);
        FromServer.Complete();
        _shutdown.Dispose();
        Abort.Dispose();
    }
}

/// <summary>Accepts what it is not told to refuse, and keeps it.</summary>
internal sealed class RecordingHandler : ISmtpServerHandler
{
    public ConcurrentQueue<(Envelope Envelope, byte[] Content, string Protocol, SmtpPeer Peer)> Messages { get; } = new();

    public ConcurrentQueue<Exception> Faults { get; } = new();

    public int SinksOpened { get; private set; }

    public int SinksDisposed { get; private set; }

    public Func<SmtpReply?> OnConnect { get; set; } = () => null;

    public List<SmtpPeer> Greeted { get; } = [];

    public Func<X509Certificate2, IReadOnlyList<X509Certificate2>, string?> OnIdentify { get; set; } = (_, _) => null;

    public Func<SmtpReply?> OnProtocolError { get; set; } = () => null;

    public Func<Envelope, SmtpReply> OnMail { get; set; } = _ => new SmtpReply(250, "2.1.0", "Sender ok");

    public Func<EnvelopeRecipient, SmtpReply> OnRecipient { get; set; } = _ => new SmtpReply(250, "2.1.5", "Recipient ok");

    public Func<SmtpReply?> OnMessage { get; set; } = () => null;

    public Func<long, SmtpReply?> OnWrite { get; set; } = _ => null;

    public Func<Task<SmtpReply>> OnCommit { get; set; } = () => Task.FromResult(new SmtpReply(250, "2.0.0", "Queued"));

    public Func<string, string, string?> OnAuthenticate { get; set; } = (user, password) => password == "secret" ? user : null;

    public ValueTask<SmtpReply?> OnConnectAsync(SmtpPeer peer, CancellationToken cancellationToken)
    {
        Greeted.Add(peer);
        return new(OnConnect());
    }

    public ValueTask<AuthenticationResult> AuthenticateAsync(SmtpPeer peer, string userName, string password, CancellationToken cancellationToken) =>
        new(OnAuthenticate(userName, password) is { } name ? new AuthenticationResult.Proved(name) : new AuthenticationResult.Wrong());

    public ValueTask<string?> IdentifyAsync(
        SmtpPeer peer, X509Certificate2 certificate, IReadOnlyList<X509Certificate2> issuers, CancellationToken cancellationToken) =>
        new(OnIdentify(certificate, issuers));

    public SmtpReply? OnError(SmtpPeer peer) => OnProtocolError();

    public ValueTask<SmtpReply> OnMailAsync(SmtpPeer peer, Envelope envelope, CancellationToken cancellationToken) => new(OnMail(envelope));

    public ValueTask<SmtpReply> OnRecipientAsync(
        SmtpPeer peer, Envelope envelope, EnvelopeRecipient recipient, CancellationToken cancellationToken) => new(OnRecipient(recipient));

    public ValueTask<MessageStart> OnMessageAsync(SmtpPeer peer, Envelope envelope, string protocol, CancellationToken cancellationToken)
    {
        if (OnMessage() is { } refusal)
            return new(MessageStart.Refuse(refusal));
        SinksOpened++;
        return new(MessageStart.Accept(new Sink(this, envelope, protocol, peer)));
    }

    public void OnFault(SmtpPeer peer, Exception exception) => Faults.Enqueue(exception);

    private sealed class Sink(RecordingHandler owner, Envelope envelope, string protocol, SmtpPeer peer) : IMessageSink
    {
        private readonly MemoryStream _content = new();

        public ValueTask<SmtpReply?> WriteAsync(ReadOnlyMemory<byte> octets, CancellationToken cancellationToken)
        {
            _content.Write(octets.Span);
            return new(owner.OnWrite(_content.Length));
        }

        public async ValueTask<SmtpReply> CommitAsync(CancellationToken cancellationToken)
        {
            var reply = await owner.OnCommit();
            if (reply.IsPositive)
                owner.Messages.Enqueue((envelope, _content.ToArray(), protocol, peer));
            return reply;
        }

        public ValueTask DisposeAsync()
        {
            owner.SinksDisposed++;
            return _content.DisposeAsync();
        }
    }
}
