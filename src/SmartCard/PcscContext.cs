namespace GatewaySecure.SmartCard;

/// <summary>What is known of a reader. The counter tells a quick removal and reinsertion from nothing having happened.</summary>
/// <param name="Events">Insertions and removals since the service started, where it counts them.</param>
public sealed record ReaderStatus(string Reader, bool Present, bool CardInserted, int Events, ReadOnlyMemory<byte> Atr);

/// <summary>
/// The PC/SC service of this machine: readers and connections. A context that the service lost (it restarted) is replaced at the
/// next call. Thread-safe. Waiting for cards is <see cref="CardWatcher"/>'s.
/// </summary>
public sealed class PcscContext : IDisposable
{
    private const uint ShareShared = 2;
    private const uint AnyProtocol = 3;

    private readonly Lock _gate = new();
    private PcscContextHandle? _handle;
    private bool _disposed;

    /// <exception cref="CardException">The service does not run.</exception>
    public IReadOnlyList<string> ListReaders() => WithContext(ListReaders);

    public ReaderStatus GetStatus(string reader) => WithContext(context => Ask(context, reader));

    /// <summary>Connects to the card, sharing it with other programs.</summary>
    /// <exception cref="CardException">No reader, no card, or another program has it for itself.</exception>
    public ICardChannel Connect(string reader)
    {
        var atr = GetStatus(reader).Atr;
        return WithContext<ICardChannel>(context =>
        {
            nuint card = 0, protocol = 0;
            var result = PcscNative.Connect(context, reader, ShareShared, AnyProtocol, ref card, ref protocol);
            return (result, result == 0 ? new PcscChannel(new PcscCardHandle(card), protocol, atr) : null!);
        });
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            _handle?.Dispose();
            _handle = null;
        }
    }

    /// <returns>The service's answer; no readers is an empty list and no error.</returns>
    internal static (uint Result, IReadOnlyList<string> Readers) ListReaders(nuint context)
    {
        nuint characters = 0;
        var result = PcscNative.ListReaders(context, null, ref characters);
        if (result is 0)
        {
            var buffer = new byte[(int)characters * (OperatingSystem.IsWindows() ? 2 : 1)];
            result = PcscNative.ListReaders(context, buffer, ref characters);
            if (result == 0)
                return (0, PcscNative.Text.GetString(buffer).Split('\0', StringSplitOptions.RemoveEmptyEntries));
        }
        return (result == PcscErrors.NoReaders ? 0 : result, []);
    }

    /// <exception cref="CardException">The service does not run, or its library is not there.</exception>
    internal static PcscContextHandle Establish()
    {
        try
        {
            var result = PcscContextHandle.Establish(out var handle);
            return result == 0 ? handle : throw PcscErrors.Exception(result);
        }
        catch (TypeInitializationException e)
        {
            throw new CardException("The PC/SC library of this system can't be loaded.", e);
        }
        catch (DllNotFoundException e)
        {
            throw new CardException("The PC/SC library is not installed (on Debian: libpcsclite1).", e);
        }
    }

    private static (uint, ReaderStatus) Ask(nuint context, string reader)
    {
        var state = new ReaderState(reader);
        var result = PcscNative.GetStatusChange(context, 0, [state]);
        if (result is PcscErrors.UnknownReader or PcscErrors.ReaderUnavailable)
            return (0, new ReaderStatus(reader, false, false, 0, default));
        return (result, new ReaderStatus(reader, state.IsThere, state.HasCard, state.Events, state.Atr));
    }

    /// <summary>A lost context is replaced once in a call; a service that is not there is an exception at once.</summary>
    private T WithContext<T>(Func<nuint, (uint Result, T Value)> call)
    {
        lock (_gate)
        {
            for (var attempt = 0; ; attempt++)
            {
                ObjectDisposedException.ThrowIf(_disposed, this);
                var (result, value) = call(Context());
                if (result == 0)
                    return value;
                if (PcscErrors.ContextIsLost(result))
                {
                    _handle?.Dispose();
                    _handle = null;
                    if (attempt == 0)
                        continue;
                }
                throw PcscErrors.Exception(result);
            }
        }
    }

    private nuint Context() => (_handle ??= Establish()).Value;
}
