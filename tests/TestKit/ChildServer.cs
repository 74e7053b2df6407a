using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;

namespace GatewaySecure.TestKit;

/// <summary>
/// A server program run as a child of this process: started until its port listens, killed or ended by its own id, started again with
/// the same arguments. What it prints on either stream is kept, over all its lives. Not for use by several threads at once.
/// </summary>
/// <param name="program">A path, or a name on the PATH.</param>
/// <param name="arguments">As given to every life.</param>
/// <param name="port">On 127.0.0.1; the server counts as started when this accepts connections.</param>
/// <param name="environment">Added to this process's own.</param>
public sealed class ChildServer(
    string program,
    IReadOnlyList<string> arguments,
    int port,
    IReadOnlyDictionary<string, string>? environment = null) : IAsyncDisposable
{
    private readonly ConcurrentQueue<string> _log = new();
    private Process? _process;

    public int Port { get; } = port;

    /// <summary>After SIGTERM, at disposal: the gateway gives what is under way 20 seconds.</summary>
    public TimeSpan EndsWithin { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The id of the life that runs.</summary>
    /// <exception cref="InvalidOperationException">None runs.</exception>
    public int Id => Running.Id;

    /// <summary>A life was started and nobody has seen its end yet.</summary>
    public bool IsRunning => _process is not null;

    /// <summary>Every line that was printed so far, oldest first, the streams mixed as they came.</summary>
    public IReadOnlyCollection<string> Log => _log;

    private Process Running => _process ?? throw new InvalidOperationException($"{program} does not run.");

    /// <summary>Starts it and waits until its port accepts connections.</summary>
    /// <exception cref="InvalidOperationException">It runs already, or it ended instead of listening; the message ends with its log.</exception>
    /// <exception cref="TimeoutException">It did not listen in time; it was killed.</exception>
    public async Task StartAsync(TimeSpan? timeout = null)
    {
        if (_process is not null)
            throw new InvalidOperationException($"{program} runs already.");
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (key, value) in environment ?? new Dictionary<string, string>())
            start.Environment[key] = value;
        var process = Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start.");
        _process = process;
        process.OutputDataReceived += Keep;
        process.ErrorDataReceived += Keep;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        process.StandardInput.Close();

        using var over = new CancellationTokenSource();
        var listening = Loopback.WaitForListenerAsync(Port, timeout ?? TimeSpan.FromSeconds(30), over.Token);
        var ended = process.WaitForExitAsync(over.Token);
        var first = await Task.WhenAny(listening, ended);
        await over.CancelAsync();
        if (first == ended)
        {
            _process = null;
            throw new InvalidOperationException($"{program} ended with {process.ExitCode} before it listened:\n{LogTail()}");
        }
        try
        {
            await listening;
        }
        catch (TimeoutException e)
        {
            await KillAsync();
            throw new TimeoutException($"{program} did not listen on port {Port} in time:\n{LogTail()}", e);
        }
    }

    /// <summary>SIGKILL: no handler runs, nothing is flushed. Returns when the process is gone.</summary>
    public async Task KillAsync()
    {
        Running.Kill();
        await WaitForEndAsync(TimeSpan.FromSeconds(30));
    }

    /// <summary>SIGTERM, and waits for it to end.</summary>
    /// <returns>Its exit status.</returns>
    /// <exception cref="TimeoutException">It did not end in time; it still runs.</exception>
    public async Task<int> StopAsync(TimeSpan? timeout = null)
    {
        ProcessSignal.Terminate(Running);
        return await WaitForEndAsync(timeout ?? TimeSpan.FromSeconds(30));
    }

    /// <summary>Waits for a line that holds the text, from any life.</summary>
    /// <returns>The first such line.</returns>
    /// <exception cref="TimeoutException">None came in time; the message ends with the log.</exception>
    public async Task<string> WaitForLineAsync(string text, TimeSpan timeout)
    {
        var waited = Stopwatch.StartNew();
        while (true)
        {
            if (_log.FirstOrDefault(line => line.Contains(text, StringComparison.Ordinal)) is { } found)
                return found;
            if (waited.Elapsed > timeout)
                throw new TimeoutException($"{program} did not say '{text}' in time:\n{LogTail()}");
            await Task.Delay(20);
        }
    }

    /// <summary>What the running life holds in memory now, and held at most.</summary>
    public ProcessMemory ReadMemory()
    {
        var fields = File.ReadLines($"/proc/{Id}/status")
            .Select(line => line.Split((char[])[':', ' ', '\t'], StringSplitOptions.RemoveEmptyEntries))
            .Where(words => words is [_, _, "kB"])
            .ToDictionary(words => words[0], words => long.Parse(words[1], CultureInfo.InvariantCulture) * 1024);
        return new ProcessMemory(fields["VmRSS"], fields["VmHWM"]);
    }

    /// <summary>From here on <see cref="ProcessMemory.Peak"/> counts anew (proc(5), clear_refs 5).</summary>
    public void ResetPeakMemory() => File.WriteAllText($"/proc/{Id}/clear_refs", "5");

    /// <summary>Ends it: politely first, then by force, which is a failure: a test that wants that kills it itself.</summary>
    /// <exception cref="TimeoutException">It had to be killed; the message ends with its log.</exception>
    public async ValueTask DisposeAsync()
    {
        if (_process is null)
            return;
        try
        {
            await StopAsync(EndsWithin);
        }
        catch (TimeoutException e)
        {
            await KillAsync();
            throw new TimeoutException($"{program} did not end within {EndsWithin.TotalSeconds:0} seconds of SIGTERM and was killed:\n{LogTail()}", e);
        }
    }

    /// <summary>Waits for it to end, by whatever hand.</summary>
    /// <returns>Its exit status; 137 after SIGKILL.</returns>
    /// <exception cref="TimeoutException">It did not end in time; it still runs.</exception>
    public async Task<int> WaitForEndAsync(TimeSpan timeout)
    {
        var process = Running;
        using var deadline = new CancellationTokenSource(timeout);
        try
        {
            await process.WaitForExitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"{program} did not end in time:\n{LogTail()}");
        }
        _process = null;
        var status = process.ExitCode;
        process.Dispose();
        return status;
    }

    private void Keep(object sender, DataReceivedEventArgs e)
    {
        if (e.Data is not null)
            _log.Enqueue(e.Data);
    }

    private string LogTail() => string.Join('\n', _log.TakeLast(30));
}

/// <summary>Physical memory of one process, in octets.</summary>
/// <param name="Resident">Now (VmRSS).</param>
/// <param name="Peak">At most so far, or since the peak was reset (VmHWM).</param>
public sealed record ProcessMemory(long Resident, long Peak);
