using System.Text;

namespace GatewaySecure.Smtp.Tests;

/// <summary>
/// Dialogues in tests/transcripts/smtp/server. <c>C:</c> a line with CRLF, <c>c:</c> octets without one, <c>S:</c> an expected line (a
/// final <c>*</c> stands for any rest), <c>X:</c> the server closes, <c>M:</c> the content of the next accepted message, <c>O:</c> options.
/// </summary>
public sealed class ServerTranscriptTests
{
    public static TheoryData<string, string> Dialogues()
    {
        var data = new TheoryData<string, string>();
        foreach (var file in Directory.GetFiles(Escapes.Folder("server"), "*.txt").Order())
        {
            foreach (var split in new[] { "block", "line", "byte" })
                data.Add(Path.GetFileName(file), split);
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Dialogues))]
    public async Task Dialogue_runs_as_recorded(string file, string split)
    {
        var steps = await File.ReadAllLinesAsync(Path.Combine(Escapes.Folder("server"), file), TestContext.Current.CancellationToken);
        var options = TestServer.Options();
        foreach (var line in steps.Where(l => l.StartsWith("O: ", StringComparison.Ordinal)))
        {
            options = line[3..] switch
            {
                "normalise" => options with { NormaliseBareLineEnds = true },
                "max-size 100" => options with { MaxMessageSize = 100 },
                "max-errors 3" => options with { MaxErrors = 3 },
                "max-junk 3" => options with { MaxJunkCommands = 3 },
                "max-recipients 2" => options with { MaxRecipients = 2 },
                "tls-required" => options with { Tls = TestCertificate.Server, RequireTls = true },
                "auth" => options with { OfferAuthentication = true },
                _ => throw new InvalidDataException(line),
            };
        }
        await using var server = new TestServer(options, stepwise: split != "block");
        var pending = new List<string>();
        foreach (var step in steps)
        {
            var rest = step.Length > 3 ? step[3..] : "";
            switch (step.Length >= 2 ? step[..2] : "")
            {
                case "C:":
                    pending.Add(Escapes.Decode(rest) + "\r\n");
                    continue;
                case "c:":
                    pending.Add(Escapes.Decode(rest));
                    continue;
                case "S:":
                    await SendAsync(server, pending, split);
                    AssertLine(rest, await server.ReadLineAsync());
                    continue;
                case "X:":
                    await SendAsync(server, pending, split);
                    Assert.Null(await server.ReadLineAsync());
                    continue;
                case "M:":
                    Assert.True(server.Handler.Messages.TryDequeue(out var message));
                    Assert.Equal(Escapes.Decode(rest), Encoding.Latin1.GetString(message.Content));
                    continue;
            }
        }
        Assert.Empty(pending);
        Assert.Empty(server.Handler.Messages);
        server.Hangup();
        await server.Running;
        Assert.Equal(server.Handler.SinksOpened, server.Handler.SinksDisposed);
    }

    private static async Task SendAsync(TestServer server, List<string> pending, string split)
    {
        var pieces = split switch
        {
            "block" => pending.Count == 0 ? [] : [string.Concat(pending)],
            "line" => pending,
            _ => string.Concat(pending).Select(c => c.ToString()),
        };
        foreach (var piece in pieces)
            await server.SendAsync(piece);
        pending.Clear();
    }

    private static void AssertLine(string expected, string? actual)
    {
        if (expected.EndsWith('*'))
            Assert.StartsWith(expected[..^1], actual, StringComparison.Ordinal);
        else
            Assert.Equal(expected, actual);
    }
}
