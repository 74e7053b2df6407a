using System.Globalization;
using System.Text;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>One <see cref="TortureFixture"/> for all classes that name it.</summary>
[CollectionDefinition(Name)]
public sealed class TortureGroup : ICollectionFixture<TortureFixture>
{
    internal const string Name = "torture";
}

/// <summary>
/// A gateway between clients that say every octet themselves and next hops that keep every octet: one that offers CHUNKING, one that wants
/// DATA, one that offers neither 8BITMIME nor anything else. Each mail is known by its sender, since its content is not to be changed.
/// </summary>
public sealed class TortureFixture : IAsyncLifetime
{
    internal const string ByChunks = "someone@sink.example";
    internal const string ByData = "someone@data.example";
    internal const string SevenBit = "someone@plain.example";
    internal const string Inside = "bob@example.org";
    internal const string PartnerAddress = "partner@sink.partner.example";

    internal GatewayProcess Gateway { get; private set; } = null!;

    internal SmtpSink ChunkSink { get; } = new(new SmtpSinkOptions { Keep = true, Keywords = ["PIPELINING", "SIZE", "8BITMIME", "CHUNKING"] });

    internal SmtpSink DataSink { get; } = new(new SmtpSinkOptions { Keep = true });

    internal SmtpSink PlainSink { get; } = new(new SmtpSinkOptions { Keep = true, Keywords = [] });

    /// <summary>For our own people, and so for reports.</summary>
    internal SmtpSink InsideSink { get; } = new(new SmtpSinkOptions { Keep = true });

    internal Partner Partner { get; } = new(PartnerAddress);

    internal CardHolder Bob { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Gateway = new GatewayProcess(new GatewaySetup
        {
            NextHopPort = InsideSink.Port,
            SinkPort = ChunkSink.Port,
            DataSinkPort = DataSink.Port,
            FurtherHops = [("plain.example", PlainSink.Port, "never")],
            More = "relay-evidence-from: [127.0.0.1]\n",
        });
        Partner.TellAuthority(Gateway);
        Partner.TellCertificate(Gateway);
        await Gateway.StartAsync();
        await CardHolder.IssueAsync(Gateway, "alice@example.org");
        Bob = await CardHolder.IssueAsync(Gateway, Inside);
    }

    public async ValueTask DisposeAsync()
    {
        if (Gateway is not null)
            await Gateway.DisposeAsync();
        foreach (var sink in new[] { ChunkSink, DataSink, PlainSink, InsideSink })
            await sink.DisposeAsync();
        Partner.Dispose();
    }

    internal static string NewSender() => $"t{Guid.NewGuid():N}@example.org";

    /// <summary>MAIL, RCPT and the content by <paramref name="way"/>.</summary>
    /// <returns>The answer to the content: to the first chunk that is not taken, else to the last; 250 means accepted.</returns>
    internal static async Task<string> SendAsync(SmtpTalker talker, string sender, string[] recipients, TortureMail mail, Way way)
    {
        await talker.SendAsync($"MAIL FROM:<{sender}>{way.Parameters}\r\n" + string.Concat(recipients.Select(r => $"RCPT TO:<{r}>\r\n")) + (way.IsData ? "DATA\r\n" : ""));
        for (var i = 0; i <= recipients.Length; i++)
            Assert.StartsWith("250", await talker.ReadReplyAsync(), StringComparison.Ordinal);
        if (way.IsData)
        {
            Assert.StartsWith("354", await talker.ReadReplyAsync(), StringComparison.Ordinal);
            await talker.SendInPiecesAsync([.. SmtpTalker.Stuffed(mail.AsData), .. ".\r\n"u8], way.Piece);
            return await talker.ReadReplyAsync();
        }
        using var stream = new MemoryStream();
        var chunks = 0;
        var chunk = way.Chunk == 0 ? Math.Max(1, mail.Content.Length) : way.Chunk;
        for (var at = 0; at == 0 || at < mail.Content.Length; at += chunk)
        {
            var length = Math.Min(chunk, mail.Content.Length - at);
            var last = at + length == mail.Content.Length;
            stream.Write(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"BDAT {length}{(last ? " LAST" : "")}\r\n")));
            stream.Write(mail.Content, at, length);
            chunks++;
        }
        var sending = talker.SendInPiecesAsync(stream.ToArray(), way.Piece);
        var answer = "";
        for (var i = 0; i < chunks; i++)
        {
            var reply = await talker.ReadReplyAsync();
            if (answer.Length == 0 || answer.StartsWith("250", StringComparison.Ordinal))
                answer = reply;
        }
        await sending;
        return answer;
    }

    /// <summary>Waits for the mail of that sender, or for his second, third…</summary>
    internal async Task<byte[]> ArrivedAsync(SmtpSink sink, string sender, int which = 1)
    {
        var until = DateTime.UtcNow.AddSeconds(30);
        while (DateTime.UtcNow < until)
        {
            if (sink.Messages.Where(m => m.From == sender).Skip(which - 1).FirstOrDefault() is { } found)
                return found.Content;
            await Task.Delay(10);
        }
        throw new TimeoutException($"Nothing from {sender} came in time. The gateway said:\n{string.Join('\n', Gateway.Child.Log.TakeLast(30))}");
    }

    /// <summary>Waits for the report to that sender.</summary>
    internal async Task<string> ReportedAsync(string sender)
    {
        var until = DateTime.UtcNow.AddSeconds(30);
        while (DateTime.UtcNow < until)
        {
            if (InsideSink.Messages.FirstOrDefault(m => m.From.Length == 0 && m.Recipients.Contains(sender)) is { } found)
                return Encoding.UTF8.GetString(found.Content);
            await Task.Delay(10);
        }
        throw new TimeoutException($"No report to {sender} came in time. The gateway said:\n{string.Join('\n', Gateway.Child.Log.TakeLast(30))}");
    }

    internal bool IsAnywhere(string sender) =>
        new[] { ChunkSink, DataSink, PlainSink, InsideSink }.Any(s => s.Messages.Any(m => m.From == sender));
}

/// <summary>How a client says a mail.</summary>
/// <param name="IsData">By DATA, else by BDAT.</param>
/// <param name="Piece">Octets of one write; 0: all in one.</param>
/// <param name="Chunk">Of BDAT; 0: one chunk.</param>
internal sealed record Way(bool IsData, int Piece, int Chunk = 0)
{
    /// <summary>Behind the address in MAIL.</summary>
    public string Parameters { get; init; } = " BODY=8BITMIME";

    /// <summary>Small pieces for small mails, since each costs a system call.</summary>
    public static IEnumerable<Way> AllFor(TortureMail mail)
    {
        int[] pieces = mail.Content.Length switch
        {
            < 5_000 => [1, 2, 3, 7, 1000, 0],
            < 300_000 => [1000, 0],
            _ => [0],
        };
        foreach (var piece in pieces)
        {
            yield return new Way(IsData: true, piece);
            yield return new Way(IsData: false, piece);
        }
        foreach (var chunk in pieces.Where(p => p > 0).DefaultIfEmpty(65_536))
            yield return new Way(IsData: false, 0, chunk);
    }
}
