using GatewaySecure.Gateway.Spool;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.Gateway.Queue;

/// <summary>
/// Works off the spool: takes what is due, lets <see cref="ItemWork"/> try it, and puts back what is not done. A mail that makes the
/// work fail in an unforeseen way is held with an alarm and never blocks others.
/// </summary>
internal sealed class QueueRunner(ItemWork work, QueueOptions options, TimeProvider time, ILogger<QueueRunner> log) : IDisposable
{
    private readonly Agenda _agenda = new(time);
    private readonly ByteBudget _budget = new(options.BytesInFlight);
    private int _items;

    /// <summary>Items in the queue, held ones included.</summary>
    public int Count => Volatile.Read(ref _items);

    /// <summary>A committed item: it is tried at once, or when its journal says.</summary>
    public void Add(SpooledMail item)
    {
        Interlocked.Increment(ref _items);
        Schedule(item);
    }

    /// <summary>
    /// Runs until <paramref name="stop"/>; then takes nothing new and gives deliveries under way the drain time to end. What did not end
    /// is in the spool as it was.
    /// </summary>
    public async Task RunAsync(CancellationToken stop)
    {
        using var abort = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        await using var drain = stop.Register(() => abort.CancelAfter(options.DrainTime));
        await Task.WhenAll(Enumerable.Range(0, options.Concurrency).Select(_ => WorkAsync(stop, abort.Token)));
    }

    public void Dispose() => _agenda.Dispose();

    private async Task WorkAsync(CancellationToken stop, CancellationToken abort)
    {
        await Task.Yield();
        while (!stop.IsCancellationRequested)
        {
            try
            {
                var item = await _agenda.TakeAsync(stop);
                using (await _budget.TakeAsync(item.Content.Length, stop))
                    await TryAsync(item, abort);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
        }
    }

    private async Task TryAsync(SpooledMail item, CancellationToken abort)
    {
        try
        {
            await work.TryAsync(item, abort);
        }
        catch (OperationCanceledException) when (abort.IsCancellationRequested)
        {
            return;
        }
        catch (IOException e)
        {
            // The spool's own disk: what was delivered stays known in memory, the rest is tried again.
            log.SpoolFailed(item.Id, e);
            _agenda.Add(item, time.GetUtcNow() + options.DelayAfter(1));
            return;
        }
        catch (Exception e)
        {
            log.ItemIsPoison(item.Id, e);
            await HoldAsync(item, abort);
            return;
        }
        if (item.Status.All(s => s.IsFinal))
            Interlocked.Decrement(ref _items);
        else
            Schedule(item);
    }

    private async Task HoldAsync(SpooledMail item, CancellationToken abort)
    {
        try
        {
            await work.HoldAsync(item, abort);
        }
#pragma warning disable CA1031 // The last line of defence: this item must not take its worker along.
        catch (Exception e)
#pragma warning restore CA1031
        {
            // Not written down: after a restart it is tried once more, and held again.
            log.SpoolFailed(item.Id, e);
        }
    }

    private void Schedule(SpooledMail item)
    {
        var open = item.Status.Where(s => !s.IsFinal).ToList();
        // One that was finished but could not be removed is due too: it only has to go.
        var due = open.Count == 0 || open.Exists(s => s is { State: RecipientState.Queued, NextAttempt: null })
            ? DateTimeOffset.MinValue
            : open.Min(s => s.NextAttempt);
        // Nothing is due for what only a person can release.
        if (due is { } moment)
            _agenda.Add(item, moment);
    }
}
