using System.CommandLine;
using System.Text.Json;
using GatewaySecure.Cards;
using GatewaySecure.SmartCard;

namespace GatewaySecure.CardClient;

/// <summary><c>cardmail pin change</c> and <c>cardmail pin unblock</c>.</summary>
internal static class PinCommand
{
    private static readonly Option<string?> NewPinFile = new("--new-pin-file") { Description = "First line: the new PIN." };
    private static readonly Option<bool> Stdin = new("--pin-stdin") { Description = "Reads two lines from standard input: the present code, the new PIN." };

    public static Command Make()
    {
        var pinFile = new Option<string?>("--pin-file") { Description = "First line: the present PIN." };
        var change = Sub("change", "Changes the PIN.", pinFile, "Present PIN: ",
            (card, code, fresh) => PinLife.Change(card, CardPin.User, code, fresh));
        var codeFile = new Option<string?>("--code-file") { Description = "First line: the unblocking code (resetting code, PUK) of the PIN letter." };
        var unblock = Sub("unblock", "Gives a blocked card a new PIN, with its unblocking code (resetting code, PUK).", codeFile, "Unblocking code: ",
            (card, code, fresh) => PinLife.Unblock(card, CardPin.Unblocking, code, fresh));
        return new Command("pin", "Changes or unblocks the PIN.") { change, unblock };
    }

    private static Command Sub(
        string name, string description, Option<string?> codeFile, string question, Func<ICard, char[], char[], PinLifeOutcome> act)
    {
        var command = new Command(name, description + """

              Exit status: 0 done, 2 usage or a new PIN that can't be one, 3 wrong code, 4 blocked, 7 no card.
            """)
        {
            codeFile, NewPinFile, Stdin,
        };
        CardOptions.AddTo(command);
        command.SetAction((parse, cancellationToken) => Guard.RunAsync(async () =>
        {
            if (parse.GetValue(Stdin) && (parse.GetValue(codeFile) ?? parse.GetValue(NewPinFile)) is not null)
                throw new InvalidOperationException("--pin-stdin and files exclude each other.");
            using var access = await CardOptions.OpenAsync(parse, cancellationToken);
            char[] code = [], fresh = [];
            try
            {
                code = Secret(parse, parse.GetValue(codeFile), question);
                fresh = Secret(parse, parse.GetValue(NewPinFile), "New PIN: ");
                if (Typed(parse, NewPinFile))
                    Repeat(fresh);
                return Report(act(access.Card, code, fresh), parse.GetValue(CardOptions.Json));
            }
            finally
            {
                Array.Clear(code);
                Array.Clear(fresh);
            }
        }));
        return command;
    }

    private static bool Typed(ParseResult parse, Option<string?> file) => !parse.GetValue(Stdin) && parse.GetValue(file) is null;

    private static char[] Secret(ParseResult parse, string? file, string question) =>
        file is not null ? PinEntry.FromFile(file) : parse.GetValue(Stdin) ? PinEntry.FromStandardInput() : PinEntry.FromTerminal(question);

    /// <exception cref="InvalidOperationException">Typed differently the second time.</exception>
    private static void Repeat(char[] fresh)
    {
        var again = PinEntry.FromTerminal("New PIN again: ");
        var same = again.AsSpan().SequenceEqual(fresh);
        Array.Clear(again);
        if (!same)
            throw new InvalidOperationException("The new PIN was typed differently the second time. Nothing is changed.");
    }

    private static OpeningStatus Report(PinLifeOutcome outcome, bool asJson)
    {
        var status = outcome.Status switch
        {
            PinLifeStatus.Done => OpeningStatus.Opened,
            PinLifeStatus.Wrong => OpeningStatus.WrongPin,
            PinLifeStatus.Blocked => OpeningStatus.CardBlocked,
            _ => OpeningStatus.Usage,
        };
        Console.WriteLine(asJson
            ? JsonSerializer.Serialize(new { status = outcome.Status.ToString(), exit = (int)status, text = outcome.Text, triesLeft = outcome.TriesLeft })
            : outcome.Text);
        return status;
    }
}
