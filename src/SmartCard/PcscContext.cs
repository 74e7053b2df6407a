namespace GatewaySecure.SmartCard;

/// <summary>What is known of a reader. The counter tells a quick removal and reinsertion from nothing having happened.</summary>
/// <param name="Events">Insertions and removals since the service started, where it counts them.</param>
public sealed record ReaderStatus(string Reader, bool Present, bool CardInserted, int Events, ReadOnlyMemory<byte> Atr);

/// <summary>
/// The PC/SC service of this machine: readers, insertion and removal, connections. A context that the service lost (it
/// restarted) is replaced at the next call. Thread-safe; a waiting call asks in slices of a quarter second, so that it can be cancelled.
/// </summary>
public sealed class PcscContext : IDisposable
{
    private const uint StateUnavailable = 0x0008;
    private const uint StatePresent = 0x0020;
    private const uint StateMute = 0x0200;
    private const uint ShareShared = 2;
    private const uint AnyProtocol = 3;
    private static readonly TimeSpan Slice = TimeSpan.FromMilliseconds(250);

    private readonly Lock _gate = new();
    private PcscContextHandle? _handle;
    private bool _disposed;

    /// <exception cref="CardException">The service does not run.</exception>
    public IReadOnlyList<string> ListReaders() => WithContext<IReadOnlyList<string>>(context =>
    {
        nuint characters = 0;
        var result = PcscNative.ListReaders(context, null, ref characters);
        if (result == PcscErrors.NoReaders)
            return (0, []);
        if (result != 0)
            return (result, []);
        var buffer = new byte[(int)characters * (OperatingSystem.IsWindows() ? 2 : 1)];
        result = PcscNative.ListReaders(context, buffer, ref characters);
        return (result, PcscNative.Text.GetString(buffer).Split('\0', StringSplitOptions.RemoveEmptyEntries));
    });

    public ReaderStatus GetStatus(string reader) => WithContext(context => Ask(context, reader));

    /// <summary>Waits until some reader (or the named one) has a card that answers; null when the time is over.</summary>
    public async Task<ReaderStatus?> WaitForCardAsync(
        string? reader, TimeSpan timeout, TimeProvider time, CancellationToken cancellationToken)
    {
        var start = time.GetTimestamp();
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            foreach (var name in ListReaders())
            {
                if (reader is not null && name != reader)
                    continue;
                if (GetStatus(name) is { CardInserted: true } status)
                    return status;
            }
            if (time.GetElapsedTime(start) >= timeout)
                return null;
            await Task.Delay(Slice, time, cancellationToken);
        }
    }

    /// <summary>
    /// Waits until the reader is no longer as <paramref name="known"/> says: card inserted, removed, changed in between, or the reader gone.
    /// </summary>
    public async Task<ReaderStatus> WaitForChangeAsync(ReaderStatus known, TimeProvider time, CancellationToken cancellationToken)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var now = GetStatus(known.Reader);
            if (now.Present != known.Present || now.CardInserted != known.CardInserted || now.Events != known.Events)
                return now;
            await Task.Delay(Slice, time, cancellationToken);
        }
    }

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

    private static (uint, ReaderStatus) Ask(nuint context, string reader)
    {
        uint state = 0;
        var result = PcscNative.GetStatusChange(context, 0, reader, ref state, out var atr);
        if (result is PcscErrors.UnknownReader or PcscErrors.ReaderUnavailable)
            return (0, new ReaderStatus(reader, false, false, 0, default));
        var inserted = (state & StatePresent) != 0 && (state & StateMute) == 0;
        return (result, new ReaderStatus(reader, (state & StateUnavailable) == 0, inserted, (int)(state >> 16), atr));
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

    private nuint Context()
    {
        if (_handle is null)
        {
            try
            {
                var result = PcscContextHandle.Establish(out var handle);
                if (result != 0)
                    throw PcscErrors.Exception(result);
                _handle = handle;
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
        return _handle.Value;
    }
}
