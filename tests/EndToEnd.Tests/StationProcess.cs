using System.Diagnostics;
using System.Text;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>A <c>cardstation</c> that runs while the test does something to it.</summary>
internal sealed class StationProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _text = new();

    /// <param name="arguments">Without the operator's secrets, which are added.</param>
    public StationProcess(StationSetup setup, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null)
    {
        var start = new ProcessStartInfo(Programs.CardStation, [.. arguments, .. setup.Secrets()]) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (key, value) in environment ?? new Dictionary<string, string>())
            start.Environment[key] = value;
        _process = Process.Start(start)!;
        _process.OutputDataReceived += Keep;
        _process.ErrorDataReceived += Keep;
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    /// <summary>Both streams so far.</summary>
    public string Text
    {
        get
        {
            lock (_text)
                return _text.ToString();
        }
    }

    /// <exception cref="TimeoutException">They did not come.</exception>
    public async Task WaitForAsync(string words)
    {
        for (var i = 0; i < 600 && !Text.Contains(words, StringComparison.Ordinal); i++)
        {
            if (_process.HasExited)
                break;
            await Task.Delay(50);
        }
        if (!Text.Contains(words, StringComparison.Ordinal))
            throw new TimeoutException($"cardstation did not say '{words}':\n{Text}");
    }

    /// <summary>SIGKILL, from any thread.</summary>
    public void Kill() => ProcessSignal.Kill(_process.Id);

    /// <returns>Its exit status; 137 after SIGKILL.</returns>
    public async Task<int> EndAsync(TimeSpan within)
    {
        using var limit = new CancellationTokenSource(within);
        await _process.WaitForExitAsync(limit.Token);
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            await _process.WaitForExitAsync();
        }
        _process.Dispose();
    }

    private void Keep(object sender, DataReceivedEventArgs e)
    {
        lock (_text)
            _text.AppendLine(e.Data);
    }
}
