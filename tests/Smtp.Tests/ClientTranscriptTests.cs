using System.Collections.Immutable;
using System.IO.Pipelines;
using System.Text;
using GatewaySecure.Addresses;
using GatewaySecure.Smtp.Client;
using GatewaySecure.Smtp.Server;

namespace GatewaySecure.Smtp.Tests;

/// <summary>
/// Dialogues in tests/transcripts/smtp/client. <c>S:</c> the peer says a line (<c>s:</c> octets), <c>C:</c> the client must say this line,
/// <c>X:</c> the peer hangs up, <c>R:</c> the result expected for the next recipient, <c>F:</c> the failure expected, <c>U:</c> whether the session stays
/// usable, <c>O:</c> options. One message from a@example.com to b, c and d at example.org is sent.
/// </summary>
public sealed class ClientTranscriptTests
{
    private const string Content = "Subject: x\r\n\r\n.dot\r\nend";

    public static TheoryData<string, bool> Dialogues()
    {
        var data = new TheoryData<string, bool>();
        foreach (var file in Directory.GetFiles(Escapes.Folder("client"), "*.txt").Order())
        {
            data.Add(Path.GetFileName(file), false);
            data.Add(Path.GetFileName(file), true);
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Dialogues))]
    public async Task Dialogue_runs_as_recorded(string file, bool byteByByte)
    {
        var steps = await File.ReadAllLinesAsync(Path.Combine(Escapes.Folder("client"), file), TestContext.Current.CancellationToken);
        var options = new SmtpClientOptions
        {
            LocalName = DomainName.Parse("client.example"), TargetHost = "mx.example.org", Tls = TlsPolicy.Never,
        };
        var content = new TextContent(Content);
        var envelope = new Envelope
        {
            Sender = MailAddress.Parse("a@example.com"),
            Recipients = [.. "bcd".Select(c => new EnvelopeRecipient(MailAddress.Parse($"{c}@example.org")))],
        };
        foreach (var line in steps.Where(l => l.StartsWith("O: ", StringComparison.Ordinal)).Select(l => l[3..]))
        {
            switch (line)
            {
                case "tls required":
                    options = options with { Tls = TlsPolicy.Required };
                    break;
                case "tls opportunistic":
                    options = options with { Tls = TlsPolicy.Opportunistic };
                    break;
                case "no-pipelining":
                    options = options with { UsePipelining = false };
                    break;
                case "no-chunking":
                    options = options with { UseChunking = false };
                    break;
                case "credentials":
                    options = options with { Credentials = new SmtpCredentials("user", "secret") };
                    break;
                case "bare":
                    content = new TextContent("a\nb\r\n");
                    break;
                case "eight-bit":
                    content = new TextContent("\u00ff\r\n") { MayHoldEightBit = true };
                    break;
                case "failing":
                    content = new TextContent(Content) { Fails = true };
                    break;
                case "short":
                    content = new TextContent(Content) { Length = Content.Length + 1 };
                    break;
                case "dsn":
                    envelope = envelope with
                    {
                        Return = DsnReturn.Headers,
                        EnvelopeId = "id+1",
                        Recipients = envelope.Recipients.SetItem(
                            0, envelope.Recipients[0] with { Notify = DsnNotify.Success | DsnNotify.Failure, OriginalRecipient = "rfc822;x=y@example.org" }),
                    };
                    break;
                case "utf8":
                    envelope = envelope with { Sender = MailAddress.Parse("jürgen@bücher.example"), SmtpUtf8 = true };
                    break;
                case "idn":
                    envelope = envelope with { Sender = MailAddress.Parse("\"a b\"@bücher.example") };
                    break;
                default:
                    throw new InvalidDataException(line);
            }
        }

        var (up, down) = (new Pipe(), new Pipe());
        await using var stream = new DuplexPipeStream(new DuplexPipe(down.Reader, up.Writer));
        var outcome = RunClientAsync(stream, up.Writer, options, envelope, content);
        await PlayAsync(steps, up.Reader, down.Writer, byteByByte);
        await down.Writer.CompleteAsync();
        var (results, failure, usable) = await outcome.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);

        Assert.Equal(steps.Where(s => s.StartsWith("F: ", StringComparison.Ordinal)).Select(s => s[3..]).SingleOrDefault(), failure);
        Assert.Equal(
            steps.Where(s => s.StartsWith("R: ", StringComparison.Ordinal)).Select(s => s[3..]),
            results.Select(r => $"{r.Reply.Code}{(r.Reply.Status is { } status ? " " + status : "")}"));
        if (steps.SingleOrDefault(s => s.StartsWith("U: ", StringComparison.Ordinal)) is { } expected)
            Assert.Equal(expected == "U: yes", usable);
    }

    private static async Task<(ImmutableArray<RecipientResult> Results, string? Failure, bool Usable)> RunClientAsync(
        Stream stream, PipeWriter toPeer, SmtpClientOptions options, Envelope envelope, TextContent content)
    {
        try
        {
            await using var session = await SmtpClientSession.ConnectAsync(stream, options, CancellationToken.None);
            try
            {
                var results = await session.SendAsync(envelope, content, CancellationToken.None);
                var usable = session.IsUsable;
                await session.QuitAsync(CancellationToken.None);
                return (results, null, usable);
            }
            catch (Exception e) when (e is not SmtpClientException)
            {
                return ([], e.GetType().Name, session.IsUsable);
            }
        }
        catch (SmtpClientException e)
        {
            return ([], e.Kind.ToString(), false);
        }
        finally
        {
            await toPeer.CompleteAsync();
        }
    }

    private static async Task PlayAsync(string[] steps, PipeReader fromClient, PipeWriter toClient, bool byteByByte)
    {
        var heard = new StringBuilder();
        foreach (var step in steps)
        {
            var rest = step.Length > 3 ? step[3..] : "";
            switch (step.Length >= 2 ? step[..2] : "")
            {
                case "S:":
                    await SayAsync(Escapes.Decode(rest) + "\r\n");
                    break;
                case "s:":
                    // Octets that must come together: whether injected text is buffered already is the point.
                    await toClient.WriteAsync(Encoding.Latin1.GetBytes(Escapes.Decode(rest)));
                    break;
                case "C:":
                    Assert.Equal(Escapes.Decode(rest) + "\r\n", await HearAsync(rest));
                    break;
                case "X:":
                    await toClient.CompleteAsync();
                    break;
            }
        }
        // Whatever else the client said was not expected.
        while (true)
        {
            var result = await fromClient.ReadAsync();
            foreach (var segment in result.Buffer)
                heard.Append(Encoding.Latin1.GetString(segment.Span));
            fromClient.AdvanceTo(result.Buffer.End);
            if (heard.Length > 0 || result.IsCompleted)
                break;
        }
        Assert.Equal("", heard.ToString());

        async Task SayAsync(string text)
        {
            foreach (var piece in byteByByte ? text.Select(c => c.ToString()) : [text])
            {
                await toClient.WriteAsync(Encoding.Latin1.GetBytes(piece));
                if (byteByByte)
                    await Task.Yield();
            }
        }

        async Task<string> HearAsync(string expected)
        {
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
            while (true)
            {
                var text = heard.ToString();
                var end = text.IndexOf("\r\n", StringComparison.Ordinal);
                if (end >= 0)
                {
                    heard.Remove(0, end + 2);
                    return text[..(end + 2)];
                }
                var result = await fromClient.ReadAsync(patience.Token);
                foreach (var segment in result.Buffer)
                    heard.Append(Encoding.Latin1.GetString(segment.Span));
                fromClient.AdvanceTo(result.Buffer.End);
                Assert.False(result.IsCompleted && result.Buffer.IsEmpty, $"The client left before: {expected}, having said: {heard}");
            }
        }
    }
}

/// <summary>Latin-1 text as outgoing content, written in two pieces.</summary>
internal sealed class TextContent(string text) : IOutgoingContent
{
    public long Length { get; init; } = text.Length;

    public bool MayHoldEightBit { get; init; }

    public bool Fails { get; init; }

    public async ValueTask WriteToAsync(Stream destination, CancellationToken cancellationToken)
    {
        var octets = Encoding.Latin1.GetBytes(text);
        await destination.WriteAsync(octets.AsMemory(0, octets.Length / 2), cancellationToken);
        if (Fails)
            throw new TimeZoneNotFoundException("the content failed");
        await destination.WriteAsync(octets.AsMemory(octets.Length / 2), cancellationToken);
    }
}
