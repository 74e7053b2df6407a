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
    /// Nothing that was verified inside is left verified after it.
    /// </summary>
    IDisposable BeginTransaction();
}

/// <summary>The card or its reader failed; the message says what to do next.</summary>
public sealed class CardException : Exception
{
    public CardException(string message) : base(message) { }

    public CardException(string message, Exception inner) : base(message, inner) { }

    public CardException() { }
}
