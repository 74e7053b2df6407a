using GatewaySecure.SmartCard;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.Cards;

/// <summary>Which card to use.</summary>
/// <param name="Reader">PC/SC reader; null: the first one that has a card.</param>
/// <param name="VirtualCard">File of a virtual card; it goes before a reader.</param>
/// <param name="Module">PKCS #11 module: the card is one of its tokens, and no reader is asked.</param>
/// <param name="Token">Label of the token; null: the only one that the module shows.</param>
public sealed record CardChoice(string? Reader = null, string? VirtualCard = null, string? Module = null, string? Token = null);

/// <summary>A card in use: in a reader, a virtual card's file, or a token. Disposing ends the connection; nothing stays verified.</summary>
public sealed class CardConnection : IDisposable
{
    private readonly IDisposable _channel;
    private readonly IDisposable? _owner;

    private CardConnection(IIssuableCard card, IDisposable channel, IDisposable? owner)
    {
        Card = card;
        _channel = channel;
        _owner = owner;
    }

    public IIssuableCard Card { get; }

    /// <exception cref="CardException">No service, reader, card or token, or none of a kind that is known.</exception>
    /// <exception cref="IOException">No such virtual card.</exception>
    public static CardConnection Open(CardChoice choice)
    {
        ArgumentNullException.ThrowIfNull(choice);
        if (choice.Module is { } module)
        {
            var token = TokenCard.Open(module, choice.Token);
            return new CardConnection(token, token, null);
        }
        if (choice.VirtualCard is { } file)
        {
            var card = VirtualCards.Open(file);
            return Over(() => Channel(card), card);
        }
        var context = new PcscContext();
        return Over(() => context.Connect(ReaderOf(context, choice.Reader)), context);
    }

    /// <summary>As <see cref="Open"/>; where no card is in a reader yet, one is waited for.</summary>
    /// <exception cref="CardException">None came in time.</exception>
    public static async Task<CardConnection> OpenAsync(CardChoice choice, TimeSpan wait, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(choice);
        if (wait <= TimeSpan.Zero || choice.VirtualCard is not null || choice.Module is not null)
            return Open(choice);
        var reader = await CardWatcher.WaitForCardAsync(choice.Reader, wait, time, cancellationToken)
            ?? throw new CardException(CardFault.NoCard, "No card was inserted in time.");
        return Open(choice with { Reader = reader });
    }

    /// <summary>A virtual card of this process; the caller keeps it.</summary>
    public static CardConnection Of(IVirtualCard card) => Over(() => Channel(card), null);

    public void Dispose()
    {
        _channel.Dispose();
        _owner?.Dispose();
    }

    private static CardConnection Over(Func<ICardChannel> open, IDisposable? owner)
    {
        ICardChannel? channel = null;
        try
        {
            channel = open();
            return new CardConnection(CardRecognition.Select(channel), channel, owner);
        }
        catch
        {
            channel?.Dispose();
            owner?.Dispose();
            throw;
        }
    }

    private static LocalCardChannel Channel(IVirtualCard card) => new(card.Atr, apdu => card.Process(apdu), card.Reset);

    private static string ReaderOf(PcscContext context, string? reader) =>
        reader ?? context.ListReaders().FirstOrDefault(r => context.GetStatus(r).CardInserted)
            ?? throw new CardException(CardFault.NoCard, "There is no card in any reader. Insert it.");
}
