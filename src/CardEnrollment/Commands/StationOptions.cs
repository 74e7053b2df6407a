using System.CommandLine;
using GatewaySecure.CardEnrollment.Station;
using GatewaySecure.Cards;

namespace GatewaySecure.CardEnrollment.Commands;

/// <summary>The options by which every command finds the station, the operator's card and the card to work on; and how it logs on.</summary>
internal static class StationOptions
{
    public static readonly Option<string> Folder = new("--station")
    {
        Description = "The station's folder, as 'cardstation init' made it.", DefaultValueFactory = _ => StationFolder.Default,
    };

    public static readonly Option<string?> Reader = new("--reader") { Description = "PC/SC reader of the card to work on; without it the first one that has a card." };
    public static readonly Option<string?> VirtualCard = new("--virtual-card") { Description = "File of a virtual card to work on (for trials)." };
    public static readonly Option<string?> Module = new("--module") { Description = "PKCS #11 module (a file); the card to work on is a token of it." };
    public static readonly Option<string?> Token = new("--token") { Description = "Label of the token, where the module shows several." };

    public static readonly Option<bool> Json = new("--json") { Description = "JSON on standard output instead of words." };
    public static readonly Option<string> Reason = new("--reason") { Description = "Why, in one plain sentence; stands in the record and the audit.", Required = true };
    public static readonly Option<bool> Yes = new("--yes") { Description = "Confirms what would be asked (for scripts)." };

    private static readonly Option<string?> OperatorReader = new("--operator-reader") { Description = "PC/SC reader of the operator's card; without it the first one that has a card." };
    private static readonly Option<string?> OperatorCard = new("--operator-card") { Description = "File of the operator's virtual card (for trials)." };
    private static readonly Option<string?> OperatorModule = new("--operator-module") { Description = "PKCS #11 module; the operator's card is a token of it." };
    private static readonly Option<string?> OperatorToken = new("--operator-token") { Description = "Label of the operator's token." };

    private static readonly Option<string?> OperatorPin = new("--operator-pin-file") { Description = "First line: the operator's PIN; /dev/stdin for a pipe. Without it, it is asked for." };

    private static readonly Option<string?> Passphrase = new("--passphrase-file")
    {
        Description = "First line: the passphrase of the station's transport key, or the PIN of its token. Without it, it is asked for.",
    };

    /// <summary>What a command needs that logs on.</summary>
    public static Command WithSession(this Command command)
    {
        foreach (var option in new Option[] { Folder, OperatorReader, OperatorCard, OperatorModule, OperatorToken, OperatorPin, Passphrase, Json })
            command.Options.Add(option);
        return command;
    }

    /// <summary>What a command needs that works on a card.</summary>
    public static Command WithCard(this Command command)
    {
        foreach (var option in new Option[] { Reader, VirtualCard, Module, Token })
            command.Options.Add(option);
        return command;
    }

    public static CardChoice Card(ParseResult parsed, string? notReader = null) => new(
        parsed.GetValue(Reader), parsed.GetValue(VirtualCard), parsed.GetValue(Module), parsed.GetValue(Token), notReader);

    /// <summary>Logs on, says who and where, does the work, logs off. The work's token is cancelled when the session ends.</summary>
    public static Task<int> InSessionAsync(
        ParseResult parsed, Func<Workplace, CancellationToken, Task<int>> work, CancellationToken cancellationToken) => Guard.RunAsync(async () =>
    {
        var station = StationFolder.Open(parsed.GetRequiredValue(Folder));
        using var owned = new Ownership();
        var card = owned.Take(CardConnection.Open(new CardChoice(
            parsed.GetValue(OperatorReader), parsed.GetValue(OperatorCard), parsed.GetValue(OperatorModule), parsed.GetValue(OperatorToken))));
        var secret = Secret(parsed.GetValue(Passphrase), station.KeyIsOnToken ? "PIN of the station's token: " : "Passphrase of the station's transport key: ");
        TransportKey transport;
        try
        {
            transport = owned.Take(station.OpenKey(secret));
        }
        finally
        {
            Array.Clear(secret);
        }
        var pin = OperatorSecret(parsed, "Operator's PIN: ");
        var reader = card.Reader;
        owned.Release();
        await using var session = await OperatorSession.OpenAsync(station, card, transport, pin, TimeProvider.System, cancellationToken);
        var facts = session.Facts;
        Console.Error.WriteLine($"{facts.OperatorName} at the KDC of {facts.Realm}; keys are in a {facts.Vault}.{(facts.EndedAnother ? " Your session elsewhere has ended." : "")}");
        using var either = CancellationTokenSource.CreateLinkedTokenSource(session.Ended, cancellationToken);
        try
        {
            return await work(new Workplace(session, parsed, reader), either.Token);
        }
        catch (Exception e) when (e is OperationCanceledException or KdcTransport.Operator.SessionEndedException or KdcTransport.KdcUnavailableException && session.EndReason is not null)
        {
            throw new KdcTransport.Operator.SessionEndedException(session.EndReason!);
        }
    });

    /// <summary>The operator's PIN. The caller clears it.</summary>
    public static char[] OperatorSecret(ParseResult parsed, string question) => Secret(parsed.GetValue(OperatorPin), question);

    /// <summary>From a file, or typed without being shown. The caller clears it.</summary>
    public static char[] Secret(string? file, string question) => file is null ? PinEntry.FromTerminal(question)
        : PinEntry.FromFile(file) is { Length: > 0 } secret ? secret
        : throw new IOException($"{file}: the first line is empty.");

    /// <summary>Disposes what nobody took over.</summary>
    private sealed class Ownership : IDisposable
    {
        private readonly Stack<IDisposable> _things = [];

        public T Take<T>(T thing)
            where T : IDisposable
        {
            _things.Push(thing);
            return thing;
        }

        public void Release() => _things.Clear();

        public void Dispose()
        {
            while (_things.TryPop(out var thing))
                thing.Dispose();
        }
    }
}
