using GatewaySecure.SmartCard;

namespace GatewaySecure.Cards;

/// <summary>How changing or unblocking a code ended.</summary>
public enum PinLifeStatus
{
    Done,

    /// <summary>The new code can't be one of this card; nothing was sent to the card.</summary>
    NotAccepted,

    /// <summary>The code that was to prove it is wrong.</summary>
    Wrong,

    /// <summary>The code that was to prove it is blocked.</summary>
    Blocked,
}

/// <summary>What came of it, in words for the holder.</summary>
/// <param name="TriesLeft">After a wrong code, where the card tells.</param>
public sealed record PinLifeOutcome(PinLifeStatus Status, string Text, int? TriesLeft = null);

/// <summary>Changing and unblocking codes, the same for holders and stations. Expected outcomes are values; a card that fails is a <see cref="CardException"/>.</summary>
public static class PinLife
{
    private const int MinUser = 6;
    private const int MinOther = 8;
    private const int MaxPiv = 8;
    private const int MaxOther = 32;

    /// <summary>A new code by one who knows the old one.</summary>
    public static PinLifeOutcome Change(ICard card, CardPin pin, ReadOnlySpan<char> old, ReadOnlySpan<char> fresh)
    {
        ArgumentNullException.ThrowIfNull(card);
        using var session = card.BeginSession();
        if (Objection(card.Kind, pin, fresh) is { } objection)
            return new PinLifeOutcome(PinLifeStatus.NotAccepted, objection);
        return old.IsEmpty ? new PinLifeOutcome(PinLifeStatus.NotAccepted, $"The present {PinWords.Name(pin)} is missing.")
            : Outcome(card, pin, card.ChangePin(pin, old, fresh), $"The {PinWords.Name(pin)} is changed.");
    }

    /// <summary>A new PIN for the holder of a blocked card, by the unblocking code or the administrator.</summary>
    public static PinLifeOutcome Unblock(ICard card, CardPin by, ReadOnlySpan<char> code, ReadOnlySpan<char> fresh)
    {
        ArgumentNullException.ThrowIfNull(card);
        using var session = card.BeginSession();
        if (Objection(card.Kind, CardPin.User, fresh) is { } objection)
            return new PinLifeOutcome(PinLifeStatus.NotAccepted, objection);
        // An OpenPGP card answers the same for a blocked code and for one that nobody set: asked first, nobody types it for nothing.
        if (card.Describe().Pin(by) is { IsSet: false } or { TriesLeft: 0 })
            return new PinLifeOutcome(PinLifeStatus.Blocked, PinWords.Blocked(by, card.Describe()), 0);
        return code.IsEmpty ? new PinLifeOutcome(PinLifeStatus.NotAccepted, $"The {PinWords.Name(by)} is missing.")
            : Outcome(card, by, card.Unblock(by, code, fresh), "The card has its new PIN, and all its tries.");
    }

    /// <summary>Why this can't be a code of such a card; null where it can.</summary>
    public static string? Objection(CardKind kind, CardPin pin, ReadOnlySpan<char> fresh)
    {
        if (pin == CardPin.Administrator && kind == CardKind.Piv)
            return fresh.Length is 32 or 48 or 64 ? null : "A PIV card's management key has 16, 24 or 32 octets, written in hexadecimal.";
        var least = pin == CardPin.User ? MinUser : MinOther;
        var most = kind == CardKind.Piv ? MaxPiv : MaxOther;
        if (fresh.Length < least || fresh.Length > most)
            return $"The new {PinWords.Name(pin)} needs {least} to {most} characters.";
        foreach (var c in fresh)
        {
            // What a PIN pad or another program can't type locks the holder out.
            if (c is < ' ' or > '~')
                return $"The new {PinWords.Name(pin)} has a character that not every card reader's program can send. Digits are best.";
        }
        return null;
    }

    private static PinLifeOutcome Outcome(ICard card, CardPin asked, PinResult result, string done) => result switch
    {
        PinResult.Ok => new PinLifeOutcome(PinLifeStatus.Done, done),
        PinResult.Wrong(var left) => new PinLifeOutcome(PinLifeStatus.Wrong, PinWords.Wrong(asked, left), left),
        _ => new PinLifeOutcome(PinLifeStatus.Blocked, PinWords.Blocked(asked, card.Describe()), 0),
    };
}
