using System.Collections.Concurrent;

namespace GatewaySecure.Gateway.Spool;

/// <summary>Runs what waits for the disk (fsync) on threads of its own, so that the thread pool of a small machine is never starved by it.</summary>
internal static class DiskThreads
{
    private const int Count = 16;

    private static readonly BlockingCollection<Action> Work = Start();

    /// <summary>Completes, or fails, as <paramref name="action"/> does.</summary>
    public static Task<T> RunAsync<T>(Func<T> action)
    {
        var result = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        Work.Add(() =>
        {
            try
            {
                result.SetResult(action());
            }
#pragma warning disable CA1031 // Every failure reaches the one who awaits it.
            catch (Exception e)
#pragma warning restore CA1031
            {
                result.SetException(e);
            }
        });
        return result.Task;
    }

    private static BlockingCollection<Action> Start()
    {
        var work = new BlockingCollection<Action>();
        for (var i = 0; i < Count; i++)
        {
            new Thread(() =>
            {
                foreach (var action in work.GetConsumingEnumerable())
                    action();
            }) { IsBackground = true, Name = "spool disk" }.Start();
        }
        return work;
    }
}
