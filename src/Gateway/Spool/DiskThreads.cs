namespace GatewaySecure.Gateway.Spool;

/// <summary>
/// Runs what waits for the disk (fsync) on threads of its own, so that the thread pool of a small machine is never starved by it. A thread
/// without work sleeps: the spinning of the platform's blocking collections costs more processor time here than the mail.
/// </summary>
internal static class DiskThreads
{
    private const int Count = 16;

    private static readonly Queue<Action> Work = Start();

    /// <summary>Completes, or fails, as <paramref name="action"/> does.</summary>
    public static Task<T> RunAsync<T>(Func<T> action)
    {
        var result = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (Work)
        {
            Work.Enqueue(() => Complete(result, action));
            Monitor.Pulse(Work);
        }
        return result.Task;
    }

    private static void Complete<T>(TaskCompletionSource<T> result, Func<T> action)
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
    }

    private static Queue<Action> Start()
    {
        var work = new Queue<Action>();
        for (var i = 0; i < Count; i++)
            new Thread(() => Serve(work)) { IsBackground = true, Name = "spool disk" }.Start();
        return work;
    }

    private static void Serve(Queue<Action> work)
    {
        while (true)
        {
            Action action;
            lock (work)
            {
                while (work.Count == 0)
                    Monitor.Wait(work);
                action = work.Dequeue();
            }
            action();
        }
    }
}
