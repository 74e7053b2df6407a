using GatewaySecure.SmartCard;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.CardEnrollment;

/// <summary>The card to work on: in a reader, or a virtual card's file; closed at the end.</summary>
internal sealed class CardAccess : IDisposable
{
    private readonly IDisposable? _owner;

    private CardAccess(ICardChannel channel, IDisposable? owner)
    {
        Channel = channel;
        _owner = owner;
    }

    public ICardChannel Channel { get; }

    /// <exception cref="CardException">No service, reader or card.</exception>
    /// <exception cref="IOException">No such virtual card.</exception>
    public static CardAccess Open(string? reader, string? virtualCard)
    {
        if (virtualCard is not null)
        {
            var card = VirtualOpenPgpCard.Open(virtualCard);
            return new CardAccess(new LocalCardChannel(card.Atr, apdu => card.Process(apdu), card.Reset), card);
        }
        var context = new PcscContext();
        try
        {
            var name = reader ?? context.ListReaders().FirstOrDefault(r => context.GetStatus(r).CardInserted)
                ?? throw new CardException(CardFault.NoCard, "There is no card in any reader. Insert it.");
            return new CardAccess(context.Connect(name), context);
        }
        catch
        {
            context.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        Channel.Dispose();
        _owner?.Dispose();
    }
}
