using GatewaySecure.SmartCard;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.Cards;

/// <summary>Which card to use.</summary>
/// <param name="Reader">PC/SC reader; null: the first one that has a card of a known kind.</param>
/// <param name="VirtualCard">File of a virtual card; it goes before a reader.</param>
/// <param name="Module">PKCS #11 module: the card is one of its tokens, and no reader is asked.</param>
/// <param name="Token">Label of the token; null: the only one that the module shows.</param>
/// <param name="NotReader">Somebody else's card is in that PC/SC reader.</param>
public sealed record CardChoice(
    string? Reader = null, string? VirtualCard = null, string? Module = null, string? Token = null, string? NotReader = null);

/// <summary>A card in use: in a reader, a virtual card's file, or a token. Disposing ends the connection; nothing stays verified.</summary>
public sealed class CardConnection : IDisposable
{
    private readonly IDisposable _channel;
    private readonly IDisposable? _owner;
    private readonly ReaderStatus? _inserted;

    private CardConnection(IIssuableCard card, IDisposable channel, IDisposable? owner, ReaderStatus? inserted = null)
    {
        Card = card;
        _channel = channel;
        _owner = owner;
        _inserted = inserted;
    }

    public IIssuableCard Card { get; }

    /// <summary>The PC/SC reader; null for a token, and for a virtual card of a file.</summary>
    public string? Reader => _inserted?.Reader;

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
            try
            {
                return Over(() => Channel(card), card);
            }
            catch
            {
                card.Dispose();
                throw;
            }
        }
        var context = new PcscContext();
        try
        {
            return choice.Reader is { } reader ? InReader(context, reader) : InAnyReader(context, choice.NotReader);
        }
        catch
        {
            context.Dispose();
            throw;
        }
    }

    /// <summary>As <see cref="Open"/>; where no card that is known is in a reader yet, one is waited for.</summary>
    /// <exception cref="CardException">None came in time.</exception>
    public static async Task<CardConnection> OpenAsync(CardChoice choice, TimeSpan wait, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(choice);
        if (wait <= TimeSpan.Zero || choice.VirtualCard is not null || choice.Module is not null)
            return Open(choice);
        using var deadline = new CancellationTokenSource(wait, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            await foreach (var happened in CardWatcher.WatchAsync(either.Token))
            {
                if (happened is not CardEvent.Inserted(var reader, _) || (choice.Reader is not null && choice.Reader != reader) || reader == choice.NotReader)
                    continue;
                try
                {
                    return Open(choice with { Reader = reader });
                }
                catch (CardException e) when (e.Fault is CardFault.NotFound or CardFault.NoCard or CardFault.NoReader)
                {
                    // Another card than ours, or it was pulled out again: the next one.
                }
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // The time is over.
        }
        throw new CardException(CardFault.NoCard, "No card was inserted in time.");
    }

    /// <summary>A virtual card of this process; the caller keeps it.</summary>
    public static CardConnection Of(IVirtualCard card) => Over(() => Channel(card), null);

    /// <summary>
    /// Returns when the card was pulled since this connection was opened, also where it was put back meanwhile. The file of a virtual card
    /// can't be pulled.
    /// </summary>
    public Task WaitForRemovalAsync(TimeProvider time, CancellationToken cancellationToken) => (_owner, _inserted, Card) switch
    {
        (PcscContext context, { } inserted, _) => RemovedAsync(context, inserted, cancellationToken),
        (_, _, TokenCard token) => token.WaitForRemovalAsync(time, cancellationToken),
        _ => Task.Delay(Timeout.InfiniteTimeSpan, time, cancellationToken),
    };

    public void Dispose()
    {
        _channel.Dispose();
        _owner?.Dispose();
    }

    private static async Task RemovedAsync(PcscContext context, ReaderStatus inserted, CancellationToken cancellationToken)
    {
        bool IsThere()
        {
            try
            {
                return context.GetStatus(inserted.Reader) is { CardInserted: true } now && now.Events == inserted.Events;
            }
            catch (CardException)
            {
                // Without reader or service nobody knows what became of the card.
                return false;
            }
        }
        if (!IsThere())
            return;
        // What changed before the first event shows with it.
        await foreach (var _ in CardWatcher.WatchAsync(cancellationToken))
        {
            if (!IsThere())
                return;
        }
    }

    private static CardConnection Over(Func<ICardChannel> open, IDisposable? owner, ReaderStatus? inserted = null)
    {
        ICardChannel? channel = null;
        try
        {
            channel = open();
            return new CardConnection(CardRecognition.Select(channel), channel, owner, inserted);
        }
        catch
        {
            channel?.Dispose();
            throw;
        }
    }

    private static LocalCardChannel Channel(IVirtualCard card) => new(card.Atr, apdu => card.Process(apdu), card.Reset);

    private static CardConnection InReader(PcscContext context, string reader) =>
        Over(() => context.Connect(reader), context, context.GetStatus(reader));

    /// <summary>The first card that is one of ours: other cards lie in readers too.</summary>
    private static CardConnection InAnyReader(PcscContext context, string? except)
    {
        CardException? first = null;
        foreach (var reader in context.ListReaders().Where(r => r != except && context.GetStatus(r).CardInserted))
        {
            try
            {
                return InReader(context, reader);
            }
            catch (CardException e) when (e.Fault is CardFault.NotFound or CardFault.NoCard)
            {
                // Told only where no other card is one.
                first ??= e;
            }
        }
        throw first ?? new CardException(CardFault.NoCard, "There is no card in any reader. Insert it.");
    }
}
