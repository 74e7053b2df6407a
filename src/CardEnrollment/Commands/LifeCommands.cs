using System.CommandLine;
using GatewaySecure.CardEnrollment.Issuing;
using GatewaySecure.Cards;
using GatewaySecure.KdcCore;
using GatewaySecure.KdcTransport.Operator;
using GatewaySecure.SmartCard;

namespace GatewaySecure.CardEnrollment.Commands;

/// <summary>What becomes of a card after it was issued: <c>suspend</c>, <c>resume</c>, <c>revoke</c>, <c>abandon</c>, <c>unblock</c>, <c>show</c>.</summary>
internal static class LifeCommands
{
    private static readonly Option<string?> Holder = new("--address") { Description = "The holder's mail address, where the card is not at hand." };
    private static readonly Option<string?> Serial = new("--serial") { Description = "Which of the holder's cards, where he has several." };

    public static IEnumerable<Command> Create()
    {
        yield return Change(
            "suspend", "Puts a card on hold: its certificates, and what it may ask of the KDC, until it is resumed.", [CardStanding.Active],
            (client, id, reason, ct) => client.SuspendAsync(id, reason, ct));
        yield return Change(
            "resume", "Takes a suspended card off hold.", [CardStanding.Suspended], (client, id, reason, ct) => client.ResumeAsync(id, reason, ct));
        yield return Change(
            "revoke", "For ever, as for a lost card: its certificates, and what it may ask of the KDC.", [CardStanding.Active, CardStanding.Suspended],
            (client, id, reason, ct) => client.RevokeAsync(id, reason, ct));
        yield return Change(
            "abandon", "Gives an issuing up that was begun; what was certified for it is revoked.", [CardStanding.Issuing],
            (client, id, reason, ct) => client.AbandonAsync(id, reason, ct));
        yield return Unblock();
        yield return Show();
    }

    private static Command Change(
        string name, string what, CardStanding[] of, Func<OperatorClient, string, string, CancellationToken, Task<CardView>> change)
    {
        var command = new Command(name, $"""
            {what} The card in the reader, or one of the holder's.

            Example:
              cardstation {name} --address bob@example.org --reason "found again"
            """)
        { Holder, Serial, StationOptions.Reason }.WithCard().WithSession();
        command.SetAction((parsed, ct) => StationOptions.InSessionAsync(parsed, async (place, ended) =>
        {
            var card = await FindAsync(place, of, ended);
            var changed = await change(place.Client, card.Id, parsed.GetRequiredValue(StationOptions.Reason), ended);
            place.Tell($"Card {changed.Order.Serial} of {changed.HolderName}: {changed.Standing.ToLowerInvariant()}.", View(changed));
            return ExitStatus.Done;
        }, ct));
        return command;
    }

    private static Command Unblock()
    {
        var pinFile = new Option<string?>("--pin-file") { Description = "First line: the PIN that the user chose. Without it a random one." };
        var letter = new Option<string?>("--letter") { Description = "File for the PIN letter, readable by you alone; without it the letter is printed." };
        var command = new Command("unblock", """
            Gives the card in the reader a new PIN and all its tries, by the code that only the KDC's vault can derive.

            Example:
              cardstation unblock --reason "forgot his PIN" --letter bob.letter
            """)
        { pinFile, letter, StationOptions.Reason }.WithCard().WithSession();
        command.SetAction((parsed, ct) => StationOptions.InSessionAsync(parsed, async (place, ended) =>
        {
            using var connection = place.OpenCard();
            var card = connection.Card;
            var pin = parsed.GetValue(pinFile) is { } file ? new string(StationOptions.Secret(file, "")) : CardCodeSet.RandomPin();
            if (PinLife.Objection(card.Kind, CardPin.User, pin) is { } objection)
                throw new ArgumentException(objection);
            using var session = card.BeginSession();
            var record = await place.LatestAsync(card.Describe(), ended) ?? throw new AdministrationException("This card was never issued here.");
            var codes = await place.Client.UnblockAsync(record.Id, parsed.GetRequiredValue(StationOptions.Reason), ended);
            Letters.Deliver(new HolderLetter(record.Order.Serial, Addresses.MailAddress.Parse(record.Order.Address), pin, codes.Unblocking), parsed.GetValue(letter));
            new CardCodeSet(card, pin).Open([new CardCodes(codes.Administrator, codes.Unblocking)]);
            place.Tell($"Card {record.Order.Serial} of {record.HolderName} has a new PIN and all its tries.", View(record));
            return ExitStatus.Done;
        }, ct));
        return command;
    }

    private static Command Show()
    {
        var life = new Option<bool>("--life") { Description = "Logs on, and shows what the KDC has on record of it too." };
        var command = new Command("show", """
            Shows the card in the reader, without a PIN; with --life every issuing of it that the KDC has on record.

            Example:
              cardstation show --life
            """)
        { life }.WithCard().WithSession();
        command.SetAction((parsed, ct) =>
        {
            if (parsed.GetValue(life))
            {
                return StationOptions.InSessionAsync(parsed, async (place, ended) =>
                {
                    using var connection = place.OpenCard();
                    using var session = connection.Card.BeginSession();
                    var told = connection.Card.Describe();
                    Tell(connection.Card, told);
                    foreach (var record in await place.Client.CardsAsync(told.Kind.ToString(), Workplace.SerialOf(told), ended))
                    {
                        place.Tell(
                            $"{record.Since:u}  {record.Standing.ToLowerInvariant(),-9} {record.Step,-16} {record.HolderName} <{record.Order.Address}>  key version {record.Kvno}"
                            + (record.Reason is { } reason ? $"  ({reason})" : ""), View(record));
                    }
                    return ExitStatus.Done;
                }, ct);
            }
            return Guard.RunAsync(() =>
            {
                using var connection = CardConnection.Open(StationOptions.Card(parsed));
                using var session = connection.Card.BeginSession();
                Tell(connection.Card, connection.Card.Describe());
                return Task.FromResult(ExitStatus.Done);
            });
        });
        return command;
    }

    private static void Tell(ICard card, CardDescription told)
    {
        var identity = card.ReadIdentity() is { } octets ? EnrolledCard.Decode(octets)?.Identity : null;
        Console.Error.WriteLine($"Card {told.Serial}, {told.Application}, AES slot: {(told.HasAesSlot ? "yes" : "no")}");
        Console.Error.WriteLine("Tries left: " + string.Join(", ", told.Pins.Where(p => p.IsSet).Select(p => $"{PinWords.Name(p.Pin)} {p.TriesLeft?.ToString() ?? "?"}")));
        Console.Error.WriteLine(identity is null ? "Not issued." : $"Issued to {identity.Address}: principal {identity.Principal} of {identity.Realm}, key version {identity.Kvno}");
    }

    private static object View(CardView card) => new
    {
        card = card.Id, serial = card.Order.Serial, holder = card.Order.Address, name = card.HolderName, card.Standing, card.Step, card.Since, card.Reason, card.Kvno,
    };

    /// <exception cref="AdministrationException">There is none, or more than one.</exception>
    private static async Task<CardView> FindAsync(Workplace place, CardStanding[] of, CancellationToken ended)
    {
        if (place.Parsed.GetValue(Holder) is not { } holder)
        {
            using var connection = place.OpenCard();
            using var session = connection.Card.BeginSession();
            return await place.LatestAsync(connection.Card.Describe(), ended) ?? throw new AdministrationException("This card was never issued here.");
        }
        var serial = place.Parsed.GetValue(Serial);
        var cards = (await place.Client.CardsOfAsync(holder, ended))
            .Where(c => of.Any(s => Workplace.Is(c, s)) && (serial is null || c.Order.Serial == serial.Replace(" ", "", StringComparison.Ordinal))).ToList();
        var words = string.Join(" or ", of).ToLowerInvariant();
        return cards switch
        {
            [var only] => only,
            [] => throw new AdministrationException($"{holder} has no card that is {words}."),
            _ => throw new AdministrationException($"{holder} has {cards.Count} cards that are {words}: give --serial {string.Join(" or ", cards.Select(c => c.Order.Serial))}."),
        };
    }
}
