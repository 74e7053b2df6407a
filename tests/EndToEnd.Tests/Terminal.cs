using System.Diagnostics;
using System.Text;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>A program on a terminal, which util-linux's <c>script</c> is: what is typed and what is drawn.</summary>
internal sealed class Terminal : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Process _script;
    private readonly StringBuilder _text = new();
    private readonly Task _reading;

    public Terminal(string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null)
    {
        var line = string.Join(' ', arguments.Prepend(program).Select(a => $"'{a.Replace("'", "'\\''", StringComparison.Ordinal)}'"));
        var start = new ProcessStartInfo("script", ["-q", "-e", "-c", line, "/dev/null"]) { RedirectStandardInput = true, RedirectStandardOutput = true };
        foreach (var (key, value) in environment ?? new Dictionary<string, string>())
            start.Environment[key] = value;
        start.Environment["TERM"] = "xterm";
        _script = Process.Start(start)!;
        _reading = ReadAsync();
    }

    /// <summary>Everything that was drawn so far, control characters included.</summary>
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
        for (var until = DateTime.UtcNow + Patience; !Text.Contains(words, StringComparison.Ordinal); await Task.Delay(30))
        {
            if (DateTime.UtcNow > until || _reading.IsCompleted && !Text.Contains(words, StringComparison.Ordinal))
                throw new TimeoutException($"The terminal does not show '{words}':\n{Text}");
        }
    }

    /// <summary>With Return.</summary>
    public async Task TypeAsync(string keys)
    {
        // Between its words and the reading, a program takes the terminal's echo away.
        await Task.Delay(300);
        await _script.StandardInput.WriteAsync(keys + "\r");
        await _script.StandardInput.FlushAsync();
    }

    /// <returns>The program's exit status.</returns>
    public async Task<int> EndAsync()
    {
        using var limit = new CancellationTokenSource(Patience);
        await _script.WaitForExitAsync(limit.Token);
        await _reading;
        return _script.ExitCode;
    }

    public void Dispose()
    {
        if (!_script.HasExited)
            _script.Kill(entireProcessTree: true);
        _script.Dispose();
    }

    private async Task ReadAsync()
    {
        var buffer = new char[4096];
        for (int read; (read = await _script.StandardOutput.ReadAsync(buffer)) > 0;)
        {
            lock (_text)
                _text.Append(buffer, 0, read);
        }
    }
}
