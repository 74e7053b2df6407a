using GatewaySecure.Addresses;

namespace GatewaySecure.CardEnrollment.Issuing;

/// <summary>What the holder is told of a card, once, in a sealed letter: the issuer's own codes are not in it.</summary>
/// <param name="UnblockingCode">Gives a blocked PIN a new one; null where such cards have none.</param>
internal sealed record HolderLetter(string Serial, MailAddress Holder, string UserPin, string? UnblockingCode)
{
    public string ToText() => $"""
        Your card {Serial}
        for {Holder}

        PIN:             {UserPin}
        {(UnblockingCode is { } code ? $"Unblocking code: {code}" : "")}

        Change the PIN before you use the card for the first time: cardmail pin change.
        After three wrong PINs the card is blocked.{(UnblockingCode is null ? " The card station gives it a new one." : " The unblocking code gives it a new PIN: cardmail pin unblock.")}
        Keep this letter where nobody else finds it, and apart from the card.

        """;
}
