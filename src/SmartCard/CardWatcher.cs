using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace GatewaySecure.SmartCard;

/// <summary>Something happened to cards and readers.</summary>
public abstract record CardEvent
{
    private CardEvent() { }

    /// <summary>A card that answers is in the reader.</summary>
    public sealed record Inserted(string Reader, ReadOnlyMemory<byte> Atr) : CardEvent;

    /// <summary>The card was pulled out, or its reader, or the card service went away.</summary>
    public sealed record Removed(string Reader) : CardEvent;

    public sealed record ReaderAdded(string Reader) : CardEvent;

    public sealed record ReaderRemoved(string Reader) : CardEvent;

    /// <summary>The card service does not run, or stopped; it is looked for four times a second.</summary>
    /// <param name="Reason">In plain words.</param>
    public sealed record ServiceLost(string Reason) : CardEvent;

    /// <summary>The card service is there again.</summary>
    public sealed record ServiceFound : CardEvent;
}

/// <summary>
/// Watches all readers of this machine and tells at once what happens to them. The service's event counters show a card that was
/// pulled out and put back between two looks: it is told as removed and inserted.
/// </summary>
public static class CardWatcher
{
    /// <summary>
    /// First what is there now, then each change, until cancelled. Survives a restart of the card service. One thread for each enumeration.
    /// </summary>
    public static async IAsyncEnumerable<CardEvent> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var events = Channel.CreateUnbounded<CardEvent>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var watch = new ReaderWatch(events.Writer, stop.Token);
        // The service's waiting call blocks its thread.
        var thread = new Thread(watch.Run) { IsBackground = true, Name = "card watcher" };
        thread.Start();
        try
        {
            await foreach (var one in events.Reader.ReadAllAsync(cancellationToken))
                yield return one;
        }
        finally
        {
            await stop.CancelAsync();
        }
    }
}

/// <summary>The watching thread: asks the service for changes and tells them.</summary>
internal sealed class ReaderWatch(ChannelWriter<CardEvent> events, CancellationToken stop)
{
    /// <summary>A pseudo reader that changes when readers come and go; macOS has none.</summary>
    private const string Notification = @"\\?PnP?\Notification";

    /// <summary>A reader that came between listing and waiting is seen at the next slice.</summary>
    private static readonly TimeSpan Slice = TimeSpan.FromSeconds(OperatingSystem.IsMacOS() ? 1 : 2);

    private static readonly TimeSpan Retry = TimeSpan.FromMilliseconds(250);

    private readonly Dictionary<string, ReaderState> _known = [];

    /// <summary>Null before the first look.</summary>
    private bool? _found;

    public void Run()
    {
        try
        {
            while (!stop.IsCancellationRequested)
            {
                try
                {
                    using var context = PcscContext.Establish();
                    using var cancelling = stop.Register(() => PcscNative.Cancel(context.Value));
                    if (_found == false)
                        Tell(new CardEvent.ServiceFound());
                    _found = true;
                    Watch(context.Value);
                }
                catch (CardException e)
                {
                    Lost(e.Message);
                    stop.WaitHandle.WaitOne(Retry);
                }
            }
            events.TryComplete();
        }
        catch (Exception e)
        {
            // A fault of ours ends the enumeration with it, and not the process.
            events.TryComplete(e);
        }
    }

    private void Watch(nuint context)
    {
        while (!stop.IsCancellationRequested)
        {
            var (result, names) = PcscContext.ListReaders(context);
            Check(result);
            foreach (var gone in _known.Keys.Except(names).ToList())
                Forget(gone);
            foreach (var name in names.Where(n => !_known.ContainsKey(n)))
            {
                Tell(new CardEvent.ReaderAdded(name));
                // Nothing is known of it: the next question is answered at once.
                _known[name] = new ReaderState(name);
            }
            var asked = _known.Values.Select(k => new ReaderState(k.Name, k.State)).ToList();
            if (!OperatingSystem.IsMacOS())
                asked.Add(new ReaderState(Notification));
            // 32-bit milliseconds.
            result = PcscNative.GetStatusChange(context, (uint)Slice.TotalMilliseconds, asked);
            if (result == PcscErrors.Timeout)
                continue;
            // Cancelled: the loop ends. Unknown reader: it went in between, and the next list lacks it.
            if (result is PcscErrors.Cancelled or PcscErrors.UnknownReader)
                continue;
            Check(result);
            foreach (var now in asked.Where(a => a.Name != Notification))
                Compare(_known[now.Name], now);
        }
    }

    /// <summary>Tells what lies between two states of a reader.</summary>
    internal void Compare(ReaderState before, ReaderState now)
    {
        // Without the bit that says "changed", which the next question must not carry.
        now.State &= ~0x0002u;
        _known[now.Name] = now;
        if (before.HasCard && (!now.HasCard || before.Events != now.Events))
            Tell(new CardEvent.Removed(now.Name));
        if (now.HasCard && (!before.HasCard || before.Events != now.Events))
            Tell(new CardEvent.Inserted(now.Name, now.Atr));
    }

    private void Forget(string name)
    {
        if (_known.Remove(name, out var state) && state.HasCard)
            Tell(new CardEvent.Removed(name));
        Tell(new CardEvent.ReaderRemoved(name));
    }

    private void Lost(string reason)
    {
        foreach (var name in _known.Keys.ToList())
            Forget(name);
        if (_found != false)
            Tell(new CardEvent.ServiceLost(reason));
        _found = false;
    }

    private void Tell(CardEvent happened) => events.TryWrite(happened);

    private static void Check(uint result)
    {
        if (result != 0)
            throw PcscErrors.Exception(result);
    }
}
