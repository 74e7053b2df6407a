using System.CommandLine;
using System.Text.Json;
using GatewaySecure.Cards;
using GatewaySecure.MailProtection;
using GatewaySecure.MailProtection.Recipients;
using GatewaySecure.SmartCard;

namespace GatewaySecure.CardClient;

/// <summary><c>cardmail open</c>.</summary>
internal static class OpenCommand
{
    private static readonly Argument<string> File = new("FILE") { Description = "The mail, as saved by a mail program (.eml)." };
    private static readonly Option<string?> Output = new("--out") { Description = "Where to write the opened mail; without it beside FILE, as FILE.opened.eml." };
    private static readonly Option<string?> PinFile = new("--pin-file") { Description = "First line: the PIN." };
    private static readonly Option<bool> PinStdin = new("--pin-stdin") { Description = "Reads the PIN from standard input, one line." };
    private static readonly Option<string?> Trust = new("--trust") { Description = "Folder with the certificates of authorities whose signatures count." };

    public static Command Make()
    {
        var command = new Command("open", """
            Opens a protected mail with the card.
              Exit status: 0 opened, 1 opened with warnings, 2 usage, 3 wrong PIN, 4 card blocked, 5 not for this card,
              6 changed or forged, 7 no card, 8 nothing that can be opened. A file is written with 0 and 1 only.
              Example: cardmail open mail.eml --out clear.eml
            """)
        {
            File, Output, PinFile, PinStdin, Trust,
        };
        CardOptions.AddTo(command);
        command.SetAction((parse, cancellationToken) => Guard.RunAsync(() => RunAsync(parse, cancellationToken)));
        return command;
    }

    private static async Task<OpeningStatus> RunAsync(ParseResult parse, CancellationToken cancellationToken)
    {
        var path = parse.GetRequiredValue(File);
        var message = new FileMail(path);
        if (parse.GetValue(PinStdin) && parse.GetValue(PinFile) is not null)
            throw new InvalidOperationException("--pin-stdin and --pin-file exclude each other.");
        var directory = parse.GetValue(Trust) is { } folder ? CertificateDirectory.Load(new DirectoryFolders { Anchors = [folder] }) : null;
        // Card and tries come before the PIN is asked for, so that nobody types it for nothing.
        using var access = await CardOptions.OpenAsync(parse, cancellationToken);
        var asJson = parse.GetValue(CardOptions.Json);
        if (Tries(access.Card) is { } blocked)
        {
            Report(blocked, null, asJson);
            return blocked.Status;
        }
        var target = parse.GetValue(Output) ?? path + ".opened.eml";
        using var written = new AtomicFile(target);
        var pin = parse.GetValue(PinFile) is { } pins ? PinEntry.FromFile(pins)
            : parse.GetValue(PinStdin) ? PinEntry.FromStandardInput() : PinEntry.FromTerminal("Card PIN: ");
        OpeningResult result;
        try
        {
            result = await new MailOpening(TimeProvider.System, directory).OpenAsync(access.Card, pin, message, written.Stream, cancellationToken);
        }
        finally
        {
            Array.Clear(pin);
        }
        if (result.IsOpened)
            written.Publish();
        Report(result, result.IsOpened ? target : null, asJson);
        return result.Status;
    }

    /// <summary>Null where the PIN may be asked for; the last try is warned of.</summary>
    private static OpeningResult? Tries(ICard card)
    {
        using var session = card.BeginSession();
        var description = card.Describe();
        var pin = description.Pin(CardPin.User);
        if (pin is { TriesLeft: 1 })
            Console.Error.WriteLine("One try is left: a wrong PIN blocks the card.");
        return pin is { IsBlocked: true } ? new OpeningResult(OpeningStatus.CardBlocked, PinWords.Blocked(CardPin.User, description), [], 0) : null;
    }

    private static void Report(OpeningResult result, string? path, bool asJson)
    {
        if (asJson)
        {
            Console.WriteLine(JsonSerializer.Serialize(new
            {
                status = result.Status.ToString(),
                exit = (int)result.Status,
                text = result.Text,
                triesLeft = result.TriesLeft,
                method = result.Mail?.Method,
                sender = result.Mail?.Sender?.ToString(),
                written = path,
                verdicts = result.Verdicts.Select(v => new { level = v.Level.ToString(), text = v.Text }),
            }));
            return;
        }
        Console.WriteLine(result.Text);
        foreach (var verdict in result.Verdicts)
            Console.WriteLine($"  {verdict.Level switch { VerdictLevel.Good => "+", VerdictLevel.Warning => "!", _ => "X" }} {verdict.Text}");
        if (path is not null)
            Console.WriteLine($"Written to {path}");
    }
}
