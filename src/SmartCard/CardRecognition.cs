namespace GatewaySecure.SmartCard;

/// <summary>Finds out which kind of card it is. A card that is several at once is the one it was issued as.</summary>
public static class CardRecognition
{
    /// <exception cref="CardException">The card has no application that this program knows (<see cref="CardFault.NotFound"/>).</exception>
    public static IIssuableCard Select(ICardChannel channel)
    {
        ArgumentNullException.ThrowIfNull(channel);
        return OpenPgpCard.Select(channel);
    }
}
