using GatewaySecure.SmartCard;

namespace GatewaySecure.Cards;

/// <summary>What to tell a person about a code that was wrong or is blocked, and what to do now. The same words in every program.</summary>
public static class PinWords
{
    public static string Name(CardPin pin) => pin switch
    {
        CardPin.User => "PIN",
        CardPin.Unblocking => "unblocking code",
        _ => "administrator's code",
    };

    public static string Wrong(CardPin pin, int? triesLeft) => triesLeft switch
    {
        null => $"The {Name(pin)} is wrong. This card does not tell how many tries are left; after a few it is blocked.",
        1 => $"The {Name(pin)} is wrong. One try is left: if the next one is wrong too, it is blocked. Stop here if you are not sure.",
        _ => $"The {Name(pin)} is wrong. Tries left: {triesLeft}.",
    };

    public static string Blocked(CardPin pin, CardDescription card)
    {
        ArgumentNullException.ThrowIfNull(card);
        return (pin, card.Kind) switch
        {
            (CardPin.User, _) when card.Pin(CardPin.Unblocking) is { IsSet: true, IsBlocked: false } =>
                "The card is blocked after too many wrong PINs. \"cardmail pin unblock\" gives it a new PIN with the unblocking code of your PIN letter; the card station can do it too.",
            (CardPin.User, CardKind.Piv) =>
                "The card is blocked, and so is its unblocking code. The card station has to issue it anew.",
            (CardPin.User, _) =>
                "The card is blocked after too many wrong PINs. Bring it to the card station, which can unblock it.",
            (CardPin.Unblocking, CardKind.Piv) =>
                "The unblocking code is blocked. The card station has to issue the card anew.",
            (CardPin.Unblocking, _) =>
                "The unblocking code is blocked or was never set. Bring the card to the card station, which can unblock it.",
            _ => "The administrator's code is blocked: the card can't be changed any more. Reset it to factory state and issue it anew.",
        };
    }
}
