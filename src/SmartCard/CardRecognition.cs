namespace GatewaySecure.SmartCard;

/// <summary>Finds out which kind of card it is. A card that is several at once is the one that it was issued as, else an OpenPGP card.</summary>
public static class CardRecognition
{
    /// <exception cref="CardException">The card has no application that this program knows (<see cref="CardFault.NotFound"/>).</exception>
    public static IIssuableCard Select(ICardChannel channel)
    {
        ArgumentNullException.ThrowIfNull(channel);
        // No other program may choose an application in between.
        using var transaction = channel.BeginTransaction();
        transaction.NothingVerified();
        var first = Try(() => OpenPgpCard.Select(channel));
        if (first?.ReadIdentity() is not null)
            return first;
        var second = Try(() => PivCard.Select(channel));
        if (first is null)
        {
            return second ?? throw new CardException(CardFault.NotFound,
                "The card is neither an OpenPGP card nor a PIV card. If it has a PKCS #11 module, name that with --module.");
        }
        if (second?.ReadIdentity() is not null)
            return second;
        first.SelectAgain();
        return first;
    }

    private static T? Try<T>(Func<T> select)
        where T : class
    {
        try
        {
            return select();
        }
        catch (CardException e) when (e.Fault is CardFault.NotFound or CardFault.Protocol)
        {
            // Not this application.
            return null;
        }
    }
}
