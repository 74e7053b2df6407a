namespace GatewaySecure.Gateway.Spool;

/// <summary>Makes names in one directory durable; callers at the same time share one fsync, which covers every name made before it began.</summary>
internal sealed class DirectorySync(string path)
{
    private readonly object _gate = new();
    private long _asked;
    private long _done;
    private bool _running;

    /// <summary>Returns when all that the caller did in the directory before is durable.</summary>
    /// <exception cref="IOException">The disk fails.</exception>
    public void Flush()
    {
        long covers;
        lock (_gate)
        {
            var mine = ++_asked;
            while (_running)
            {
                Monitor.Wait(_gate);
                if (_done >= mine)
                    return;
            }
            _running = true;
            covers = _asked;
        }
        var succeeded = false;
        try
        {
            Posix.SyncDirectory(path);
            succeeded = true;
        }
        finally
        {
            lock (_gate)
            {
                _running = false;
                // After a failure everybody who waits tries for himself and sees the error.
                if (succeeded)
                    _done = Math.Max(_done, covers);
                Monitor.PulseAll(_gate);
            }
        }
    }
}
