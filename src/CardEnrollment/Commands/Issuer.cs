using GatewaySecure.Addresses;
using GatewaySecure.CardEnrollment.Issuing;
using GatewaySecure.CardEnrollment.Station;
using GatewaySecure.Cards;
using GatewaySecure.KdcCore;
using GatewaySecure.SmartCard;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.CardEnrollment.Commands;

/// <summary>Which card is made for whom.</summary>
/// <param name="Name">To put the holder on record, where he is not yet.</param>
/// <param name="UserPin">Chosen by the user; null: a random one.</param>
/// <param name="PresentCodes">The card's codes, where they are neither the factory's nor of an earlier issuing here.</param>
/// <param name="LetterFile">Null: the PIN letter is printed.</param>
internal sealed record IssuingWish(
    MailAddress Holder,
    string? Name,
    CardKeyAlgorithm Algorithm,
    string? UserPin,
    CardCodes? PresentCodes,
    string? LetterFile,
    DateTimeOffset? Until);

/// <summary>Issues the card before the operator, and says each step.</summary>
internal sealed class Issuer(Workplace place, IProgress<CardStep>? progress)
{
    /// <exception cref="AdministrationException">The holder is not on record, or the KDC refuses.</exception>
    public async Task<IssuingRecord> IssueAsync(IIssuableCard card, IssuingWish wish, CancellationToken ended)
    {
        if (wish.LetterFile is null && place.Parsed.GetValue(StationOptions.Json))
            throw new FormatException("With --json the PIN letter needs a file: --letter.");
        if (wish.UserPin is { } chosen && PinLife.Objection(card.Kind, CardPin.User, chosen) is { } objection)
            throw new ArgumentException(objection);
        await DemandHolderAsync(wish, ended);
        using var session = card.BeginSession();
        var told = card.Describe();
        var serial = Workplace.SerialOf(told);
        if (serial.Length == 0)
            throw new CardException(CardFault.NotSupported, "This card has no serial number, so nothing can be on record about it.");
        var terms = new IssuingTerms(
            wish.UserPin ?? CardCodeSet.RandomPin(), wish.PresentCodes, Factory(card.Kind), letter => Letters.Deliver(letter, wish.LetterFile), place.Confirm);
        var run = new IssuingRun(card, new ServerDesk(place.Client, wish.Until), place.Session.TransportKey, terms, TimeProvider.System);
        return await run.RunAsync(
            new IssuingOrder(wish.Holder, serial, told.Kind, told.HasAesSlot, wish.Algorithm), progress, ended);
    }

    private async Task DemandHolderAsync(IssuingWish wish, CancellationToken ended)
    {
        if (await place.Client.FindUserAsync(wish.Holder.ToString(), ended) is { } known)
        {
            if (known.Objection is { } objection)
                throw new AdministrationException($"{known.Name} {objection}.");
            return;
        }
        if (wish.Name is not { } name)
            throw new AdministrationException($"Nobody holds {wish.Holder}. With --name he is put on record.");
        await place.Client.AddUserAsync(new KdcTransport.Operator.NewUser(name, wish.Holder.ToString()), ended);
    }

    /// <summary>What cards of that kind come with, as far as it is known; a token's is set when it is initialised.</summary>
    private static CardCodes Factory(CardKind kind) => kind switch
    {
        CardKind.Piv => new CardCodes(VirtualPivCard.DefaultManagementKey, VirtualPivCard.DefaultUnblockingPin),
        CardKind.OpenPgp => new CardCodes(VirtualOpenPgpCard.DefaultAdminPin, null),
        _ => new CardCodes("", null),
    };
}

/// <summary>Says each step on standard error.</summary>
internal sealed class StepLines : IProgress<CardStep>
{
    public void Report(CardStep value) => Console.Error.WriteLine("  " + value switch
    {
        CardStep.Ordered => "on record",
        CardStep.KeysMade => "keys made on the card",
        CardStep.KeyImported => "encryption key on the card",
        CardStep.Certified => "certificates on the card",
        CardStep.CodesSet => "codes changed, PIN letter written",
        CardStep.MasterKeyWritten => "KDC key on the card",
        _ => "receipt signed; the card is active",
    });
}
