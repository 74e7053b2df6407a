using System.CommandLine;
using System.Globalization;
using GatewaySecure.Addresses;
using GatewaySecure.CardEnrollment.Issuing;
using GatewaySecure.KdcCore;
using GatewaySecure.KdcTransport.Operator;
using GatewaySecure.SmartCard;

namespace GatewaySecure.CardEnrollment.Commands;

/// <summary><c>cardstation issue</c>, <c>renew</c>, <c>temporary</c>, <c>replace</c>: a card gets its keys. Each goes on where it was interrupted.</summary>
internal static class IssueCommands
{
    private static readonly Option<string> Address = new("--address") { Description = "The card holder's mail address.", Required = true };
    private static readonly Option<string?> Name = new("--name") { Description = "The holder's name, where he is not on record yet." };

    private static readonly Option<CardKeyAlgorithm> Algorithm = new("--algorithm")
    {
        Description = "Of the card's keys.", DefaultValueFactory = _ => CardKeyAlgorithm.Rsa3072,
    };

    private static readonly Option<string?> PinFile = new("--pin-file") { Description = "First line: the PIN that the user chose; /dev/stdin for a pipe. Without it a random one." };
    private static readonly Option<bool> AskPin = new("--pin") { Description = "The user types his PIN here, twice, instead of a random one in the letter." };
    private static readonly Option<string?> Letter = new("--letter") { Description = "File for the PIN letter, readable by you alone; without it the letter is printed." };
    private static readonly Option<string?> AdminPinFile = new("--admin-pin-file") { Description = "First line: the card's present administrator code, where it is neither the factory's nor from an earlier issuing." };
    private static readonly Option<string?> CodeFile = new("--code-file") { Description = "First line: likewise a PIV card's present PUK." };
    private static readonly Option<string> Until = new("--until") { Description = "2027-01-31: the card's end, at the beginning of that day (UTC).", Required = true };

    public static IEnumerable<Command> Create()
    {
        yield return Make("issue", """
            Issues the card in the reader: keys made on it, encryption key from the vault (or made on it, where escrow is forbidden), certificates, codes, PIN
            letter, KDC key, receipt. Interrupted anywhere, the same command goes on.

            Example:
              cardstation issue --address bob@example.org --name "Bob Example" --letter bob.letter
            """, IssueAsync);
        yield return Make("renew", """
            Gives the holder's present card new keys and certificates. Old mail stays readable where the card keeps old keys, and KDC mail everywhere.

            Example:
              cardstation renew --address bob@example.org --letter bob.letter
            """, RenewAsync);
        var temporary = Make("temporary", """
            Issues a card that ends by itself, such as for somebody who left his at home.

            Example:
              cardstation temporary --address bob@example.org --until 2027-02-01
            """, IssueAsync);
        temporary.Options.Add(Until);
        yield return temporary;
        var replace = Make("replace", """
            Issues a new card in place of one that is lost or broken. The old one is revoked first, for ever: certificates, and what it may ask of the KDC. Keys for old S/MIME mail
            come to the new card by 'cardstation recover'.

            Example:
              cardstation replace --address bob@example.org --reason "lost in the train" --letter bob.letter
            """, ReplaceAsync);
        replace.Options.Add(StationOptions.Reason);
        yield return replace;
    }

    private static Command Make(string name, string description, Func<Workplace, CancellationToken, Task<int>> work)
    {
        var command = new Command(name, description) { Address, Name, Algorithm, AskPin, PinFile, Letter, AdminPinFile, CodeFile, StationOptions.Yes }.WithCard().WithSession();
        command.SetAction((parsed, ct) => StationOptions.InSessionAsync(parsed, work, ct));
        return command;
    }

    private static async Task<int> IssueAsync(Workplace place, CancellationToken ended)
    {
        using var card = place.OpenCard();
        var wish = Wish(place, temporary: place.Parsed.CommandResult.Command.Name == "temporary");
        var latest = await LatestAsync(place, card.Card, ended);
        if (latest is not null && Workplace.Is(latest, CardStanding.Active))
            return await IsTheirsAsync(place, latest, wish, ended);
        return await RunAsync(place, card.Card, wish, ended);
    }

    private static async Task<int> RenewAsync(Workplace place, CancellationToken ended)
    {
        using var card = place.OpenCard();
        var wish = Wish(place);
        if (await LatestAsync(place, card.Card, ended) is not { } latest)
            throw new AdministrationException("This card was never issued here.");
        await DemandHolderAsync(place, latest, wish, ended);
        return await RunAsync(place, card.Card, wish, ended);
    }

    private static async Task<int> ReplaceAsync(Workplace place, CancellationToken ended)
    {
        using var card = place.OpenCard();
        var wish = Wish(place);
        string serial;
        using (card.Card.BeginSession())
            serial = Workplace.SerialOf(card.Card.Describe());
        var living = (await place.Client.CardsOfAsync(wish.Holder.ToString(), ended))
            .Where(c => Workplace.Is(c, CardStanding.Active) || Workplace.Is(c, CardStanding.Suspended)).ToList();
        if (living.Any(c => c.Order.Serial == serial))
            throw new AdministrationException("The card in the reader is the holder's present one: put the new card into the reader.");
        if (living.Count > 0 && !place.Confirm($"Revoked for ever: card {string.Join(", ", living.Select(c => c.Order.Serial))} of {wish.Holder}."))
            throw new IssuingDeclinedException();
        foreach (var lost in living)
            await place.Client.RevokeAsync(lost.Id, place.Parsed.GetRequiredValue(StationOptions.Reason), ended);
        return await RunAsync(place, card.Card, wish, ended);
    }

    private static async Task<int> RunAsync(Workplace place, IIssuableCard card, IssuingWish wish, CancellationToken ended)
    {
        var record = await new Issuer(place, new StepLines()).IssueAsync(card, wish, ended);
        place.Tell(
            $"Card {record.Order.Serial} is issued to {record.HolderName} <{wish.Holder}>.",
            new { card = record.Id, serial = record.Order.Serial, holder = wish.Holder.ToString(), step = record.Step });
        return ExitStatus.Done;
    }

    private static async Task<int> IsTheirsAsync(Workplace place, CardView card, IssuingWish wish, CancellationToken ended)
    {
        await DemandHolderAsync(place, card, wish, ended);
        place.Tell($"Card {card.Order.Serial} is issued to {card.HolderName} already; 'cardstation renew' gives it new keys.",
            new { card = card.Id, serial = card.Order.Serial, holder = wish.Holder.ToString(), step = CardStep.Done });
        return ExitStatus.Done;
    }

    private static async Task DemandHolderAsync(Workplace place, CardView card, IssuingWish wish, CancellationToken ended)
    {
        if ((await place.Client.FindUserAsync(wish.Holder.ToString(), ended))?.Id != card.Holder)
            throw new AdministrationException($"This card is {card.HolderName}'s. 'cardstation revoke' ends that, and then it may be issued to somebody else.");
    }

    private static Task<CardView?> LatestAsync(Workplace place, IIssuableCard card, CancellationToken ended)
    {
        using var session = card.BeginSession();
        return place.LatestAsync(card.Describe(), ended);
    }

    private static IssuingWish Wish(Workplace place, bool temporary = false)
    {
        var parsed = place.Parsed;
        return new IssuingWish(
            MailAddress.Parse(parsed.GetRequiredValue(Address)), parsed.GetValue(Name), parsed.GetValue(Algorithm), UserPin(parsed), PresentCodes(parsed),
            parsed.GetValue(Letter), temporary ? Date(parsed.GetRequiredValue(Until)) : null);
    }

    private static string? UserPin(ParseResult parsed)
    {
        if (parsed.GetValue(PinFile) is { } file)
            return new string(StationOptions.Secret(file, ""));
        if (!parsed.GetValue(AskPin))
            return null;
        var (first, again) = (StationOptions.Secret(null, "The user's new PIN: "), StationOptions.Secret(null, "The user's new PIN again: "));
        return first.AsSpan().SequenceEqual(again) ? new string(first) : throw new IOException("The two are different; nothing was done.");
    }

    private static CardCodes? PresentCodes(ParseResult parsed)
    {
        if (parsed.GetValue(AdminPinFile) is not { } file)
            return parsed.GetValue(CodeFile) is null ? null : throw new FormatException("--code-file goes with --admin-pin-file.");
        return new CardCodes(
            new string(StationOptions.Secret(file, "")), parsed.GetValue(CodeFile) is { } code ? new string(StationOptions.Secret(code, "")) : null);
    }

    private static DateTimeOffset Date(string text) =>
        DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
            ? time : throw new FormatException($"'{text}' is not a date such as 2027-01-31.");
}
