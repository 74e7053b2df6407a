namespace GatewaySecure.VirtualCard;

/// <summary>
/// A card in software, FOR TRIALS: one command APDU in, one response APDU out. Never throws for what a terminal sends; throws
/// <see cref="IOException"/> where its file can't be written. Not thread-safe.
/// </summary>
public interface IVirtualCard : IDisposable
{
    /// <summary>Answer to reset.</summary>
    ReadOnlyMemory<byte> Atr { get; }

    /// <summary>As clients print it.</summary>
    string Serial { get; }

    byte[] Process(ReadOnlySpan<byte> commandApdu);

    /// <summary>Power cycle: nothing verified, nothing selected, no chain.</summary>
    void Reset();
}
