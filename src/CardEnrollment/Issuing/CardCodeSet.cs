using System.Security.Cryptography;
using GatewaySecure.Cards;
using GatewaySecure.SmartCard;

namespace GatewaySecure.CardEnrollment.Issuing;

/// <summary>
/// The issuer's codes of one card, and the user's PIN. A change that broke off leaves a card with either code, so both are tried, the likelier one
/// first; the last try is never spent on a guess.
/// </summary>
internal sealed class CardCodeSet(IIssuableCard card, string userPin)
{
    private string _administrator = "";
    private string? _unblocking;

    public static string RandomPin() => RandomNumberGenerator.GetString("0123456789", 6);

    /// <summary>Opens the card for its issuer, and gives it the user's PIN of this run.</summary>
    /// <param name="candidates">What its codes may be, the likeliest first.</param>
    /// <exception cref="CardException">None of them is right, or a code is blocked.</exception>
    public void Open(IReadOnlyList<CardCodes> candidates)
    {
        if (card.Kind == CardKind.Piv)
        {
            // Which costs no try, before what does.
            _administrator = First(CardPin.Administrator, candidates.Select(c => c.Administrator), code => card.Verify(CardPin.Administrator, code, CardUse.Authenticate));
            _unblocking = First(CardPin.Unblocking, candidates.Select(c => c.Unblocking ?? ""), code => card.Unblock(CardPin.Unblocking, code, userPin));
            return;
        }
        _administrator = First(CardPin.Administrator, candidates.Select(c => c.Administrator), code => card.Unblock(CardPin.Administrator, code, userPin));
        ForIssuing();
    }

    /// <summary>What making keys and writing objects need: the administrator, on a token the user.</summary>
    public void ForIssuing()
    {
        if (card.Kind == CardKind.Token)
            ForUse(CardUse.Decipher);
        else
            Demand(CardPin.Administrator, card.Verify(CardPin.Administrator, _administrator, CardUse.Authenticate));
    }

    /// <summary>What one use of a key needs.</summary>
    public void ForUse(CardUse use) => Demand(CardPin.User, card.Verify(CardPin.User, userPin, use));

    /// <summary>The card gets these codes in place of those that opened it.</summary>
    public void Change(CardCodes codes)
    {
        if (card.Kind == CardKind.Piv && codes.Unblocking is { } puk && puk != _unblocking)
        {
            Demand(CardPin.Unblocking, card.ChangePin(CardPin.Unblocking, _unblocking, puk));
            _unblocking = puk;
        }
        if (codes.Administrator != _administrator)
        {
            Demand(CardPin.Administrator, card.ChangePin(CardPin.Administrator, _administrator, codes.Administrator));
            _administrator = codes.Administrator;
        }
        ForIssuing();
        // The administrator sets it, whatever it was; so it can be done again.
        if (card.Kind == CardKind.OpenPgp && codes.Unblocking is { } resetting)
            Demand(CardPin.Unblocking, card.ChangePin(CardPin.Unblocking, "", resetting));
    }

    private string First(CardPin pin, IEnumerable<string> candidates, Func<string, PinResult> attempt)
    {
        PinResult? last = null;
        foreach (var code in candidates.Where(c => c.Length > 0).Distinct())
        {
            if (last is not null && card.Describe().Pin(pin) is { TriesLeft: <= 1 })
                break;
            last = attempt(code);
            if (last is PinResult.Ok)
                return code;
            if (last is PinResult.Blocked)
                break;
        }
        Demand(pin, last ?? throw new CardException(CardFault.PinNeeded, $"The card's {PinWords.Name(pin)} is not known."));
        throw new InvalidOperationException("A code that is not right was demanded to be.");
    }

    private static void Demand(CardPin pin, PinResult result)
    {
        switch (result)
        {
            case PinResult.Wrong(var left):
                throw new CardException(CardFault.PinNeeded, $"The card's {PinWords.Name(pin)} is another one{(left is { } tries ? $"; {tries} tries are left" : "")}.");
            case PinResult.Blocked:
                throw new CardException(CardFault.PinNeeded, $"The card's {PinWords.Name(pin)} is blocked; reset the card to factory state.");
        }
    }
}
