namespace GatewaySecure.SmartCard;

/// <summary>
/// A transaction that leaves nothing verified: at its end the card withdraws what it can; where it can't, or something else was
/// proved too, the transaction resets it.
/// </summary>
internal sealed class CardSession(ICardTransaction transaction, Func<bool> withdraw) : IDisposable
{
    private bool _ended;

    /// <param name="select">Another program may have chosen another application of this card since.</param>
    public static CardSession Begin(ICardChannel channel, Action select, Func<bool> withdraw)
    {
        var transaction = channel.BeginTransaction();
        try
        {
            select();
            return new CardSession(transaction, withdraw);
        }
        catch
        {
            transaction.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        if (_ended)
            return;
        _ended = true;
        try
        {
            if (withdraw())
                transaction.NothingVerified();
        }
        catch (CardException)
        {
            // The card is gone, and its verification with it; the transaction's own end resets it where it is not.
        }
        finally
        {
            transaction.Dispose();
        }
    }
}
