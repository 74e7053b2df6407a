namespace GatewaySecure.SmartCard;

/// <summary>A connected card: command APDU in, response APDU (with SW1 SW2) out. Not thread-safe.</summary>
public interface ICardChannel : IDisposable
{
    /// <summary>Answer to reset.</summary>
    ReadOnlyMemory<byte> Atr { get; }

    /// <exception cref="CardException">The card was removed or reset, or the reader failed.</exception>
    byte[] Transmit(ReadOnlySpan<byte> commandApdu);

    /// <summary>
    /// Keeps other programs' commands out until disposed (SCardBeginTransaction).
    /// Nothing that was verified inside is left verified after it: the card is reset at the end, unless
    /// <see cref="ICardTransaction.NothingVerified"/> said that this is not needed.
    /// </summary>
    ICardTransaction BeginTransaction();
}

/// <summary>The time in which a card answers to one program alone; ends with <c>Dispose</c>.</summary>
public interface ICardTransaction : IDisposable
{
    /// <summary>The card itself withdrew every verification: other programs need not be disturbed by a reset.</summary>
    void NothingVerified();
}

/// <summary>What kind of failure a <see cref="CardException"/> reports.</summary>
public enum CardFault
{
    /// <summary>The card answered with a status word that it should not have answered with.</summary>
    Protocol,

    /// <summary>The PC/SC service does not run, or ended.</summary>
    NoService,

    /// <summary>The reader is not there.</summary>
    NoReader,

    /// <summary>There is no card, or it was pulled out.</summary>
    NoCard,

    /// <summary>Another program reset the card: select and verify again.</summary>
    Reset,

    /// <summary>Another program has the card for itself.</summary>
    Busy,

    /// <summary>The operation needs a PIN that is not verified.</summary>
    PinNeeded,

    /// <summary>The card has no such key or object.</summary>
    NotFound,

    /// <summary>Cards of this kind can't do it.</summary>
    NotSupported,
}

/// <summary>The card or its reader failed; the message says what to do next.</summary>
public sealed class CardException : Exception
{
    public CardException(CardFault fault, string message) : base(message) => Fault = fault;

    public CardException(string message) : base(message) { }

    public CardException(string message, Exception inner) : base(message, inner) { }

    public CardException() { }

    public CardFault Fault { get; }
}
