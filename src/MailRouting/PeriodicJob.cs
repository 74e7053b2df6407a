using Microsoft.Extensions.Logging;

namespace GatewaySecure.MailRouting;

/// <summary>
/// Runs something again and again, never twice at once; a run that fails is told of, and the next one comes all the same. Disposing ends the run
/// that is going on and waits for it.
/// </summary>
public sealed class PeriodicJob(string name, TimeSpan interval, Func<CancellationToken, Task> run, TimeProvider time, ILogger log) : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private Task _runs = Task.CompletedTask;

    /// <param name="first">When it runs first.</param>
    public void Start(TimeSpan first)
    {
        log.JobStarted(name, interval);
        _runs = RunAsync(first);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _runs;
        _stop.Dispose();
    }

    private async Task RunAsync(TimeSpan first)
    {
        try
        {
            for (var wait = first; ; wait = interval)
            {
                await Task.Delay(wait, time, _stop.Token);
                try
                {
                    await run(_stop.Token);
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    log.JobFailed(name, e);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Disposed.
        }
    }
}
