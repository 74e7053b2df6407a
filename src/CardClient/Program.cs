using System.CommandLine;
using System.Security.Cryptography;
using System.Text.Json;
using GatewaySecure.CardClient;
using GatewaySecure.Cards;
using GatewaySecure.MailProtection;
using GatewaySecure.MailProtection.Trust;
using GatewaySecure.SmartCard;

var file = new Argument<string>("FILE") { Description = "The mail, as saved by a mail program (.eml)." };
var output = new Option<string?>("--out") { Description = "Where to write the opened mail; without it beside FILE, as FILE.opened.eml." };
var reader = new Option<string?>("--reader") { Description = "PC/SC reader; without it the first one that has a card." };
var virtualCard = new Option<string?>("--virtual-card") { Description = "File of a virtual card (for trials)." };
var pinFile = new Option<string?>("--pin-file") { Description = "First line: the PIN." };
var pinStdin = new Option<bool>("--pin-stdin") { Description = "Reads the PIN from standard input, one line." };
var trust = new Option<string?>("--trust") { Description = "Folder with the certificates of authorities whose signatures count." };
var json = new Option<bool>("--json") { Description = "One JSON object on standard output instead of words." };

var open = new Command("open", """
    Opens a protected mail with the card.
      Exit status: 0 opened, 1 opened with warnings, 2 usage, 3 wrong PIN, 4 card blocked, 5 not for this card,
      6 changed or forged, 7 no card, 8 nothing that can be opened. A file is written with 0 and 1 only.
      Example: cardmail open mail.eml --out clear.eml
    """)
{
    file, output, reader, virtualCard, pinFile, pinStdin, trust, json,
};
open.SetAction((parse, cancellationToken) => Guarded(async () =>
{
    var path = parse.GetRequiredValue(file);
    var message = new FileMail(path);
    if (parse.GetValue(pinStdin) && parse.GetValue(pinFile) is not null)
        throw new InvalidOperationException("--pin-stdin and --pin-file exclude each other.");
    var directory = parse.GetValue(trust) is { } folder ? CertificateDirectory.Load(new DirectoryFolders { Anchors = [folder] }) : null;
    // Before the PIN is asked for, so that nobody types it for nothing.
    using var access = CardConnection.Open(new CardChoice(parse.GetValue(reader), parse.GetValue(virtualCard)));
    var target = parse.GetValue(output) ?? path + ".opened.eml";
    using var written = new AtomicFile(target);
    var pin = parse.GetValue(pinFile) is { } pins ? PinEntry.FromFile(pins)
        : parse.GetValue(pinStdin) ? PinEntry.FromStandardInput() : PinEntry.FromTerminal();
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
    Report(result, result.IsOpened ? target : null, parse.GetValue(json));
    return (int)result.Status;
}));

var status = new Command("status", "Shows readers and cards, without a PIN.") { reader, virtualCard };
status.SetAction((parse, _) => Guarded(() =>
{
    if (parse.GetValue(virtualCard) is null)
    {
        using var context = new PcscContext();
        foreach (var name in context.ListReaders())
            Console.WriteLine($"Reader {name}: {(context.GetStatus(name).CardInserted ? "card inserted" : "empty")}");
    }
    using var access = CardConnection.Open(new CardChoice(parse.GetValue(reader), parse.GetValue(virtualCard)));
    using var session = access.Card.BeginSession();
    var card = access.Card.Describe();
    Console.WriteLine($"{card.Application}, number {card.Serial}. PIN tries left: {card.Pin(CardPin.User)?.TriesLeft}");
    var holder = CardKeys.Holder(access.Card);
    Console.WriteLine(holder is null
        ? "Not issued for KDC mail."
        : $"Issued to {holder.Address}: principal {holder.Principal} of {holder.Realm}, key version {holder.Kvno}");
    return Task.FromResult(0);
}));

var root = new RootCommand("cardmail: opens protected mail with your card.") { open, status };
var parsed = root.Parse(args);
var exit = await parsed.InvokeAsync();
return parsed.Errors.Count > 0 ? (int)OpeningStatus.Usage : exit;

static async Task<int> Guarded(Func<Task<int>> action)
{
    try
    {
        return await action();
    }
    catch (CardException e)
    {
        Console.Error.WriteLine(e.Message);
        return (int)OpeningStatus.NoCard;
    }
    catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidOperationException or CryptographicException)
    {
        Console.Error.WriteLine(e.Message);
        return (int)OpeningStatus.Usage;
    }
}

static void Report(OpeningResult result, string? path, bool asJson)
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
