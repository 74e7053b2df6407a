using System.Diagnostics;
using System.Globalization;

namespace GatewaySecure.TestKit;

/// <summary>
/// strace on a program: what it asks of the kernel is written to a file, and it can be killed at a chosen call, before the kernel does it.
/// Disposing takes it off again; the program goes on.
/// </summary>
public sealed class Strace : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly Process _strace;

    private Strace(Process strace) => _strace = strace;

    /// <summary>Watches all threads of a running process from when this returns.</summary>
    /// <param name="trace">The file that calls are written to.</param>
    /// <param name="options">What to watch, as strace(1) has it.</param>
    /// <exception cref="InvalidOperationException">strace can't; the message is its own.</exception>
    public static async Task<Strace> AttachAsync(int process, string trace, params string[] options)
    {
        var strace = Start(["-f", "-o", trace, "-p", process.ToString(CultureInfo.InvariantCulture), .. options]);
        var said = await strace.StandardError.ReadLineAsync().WaitAsync(Patience);
        // It says little more, and the pipe holds that.
        if (said?.Contains("attached", StringComparison.Ordinal) == true)
            return new Strace(strace);
        using (strace)
            throw new InvalidOperationException($"strace says: {said}{await strace.StandardError.ReadToEndAsync().WaitAsync(Patience)}");
    }

    /// <summary>Runs a program that is to be killed at a call.</summary>
    /// <returns>What strace wrote of it.</returns>
    /// <exception cref="TimeoutException">Nothing killed it in time; now it is.</exception>
    public static async Task<string[]> RunUntilKilledAsync(string trace, string[] options, string program, string[] arguments)
    {
        using var strace = Start(["-f", "-o", trace, .. options, program, .. arguments]);
        strace.BeginOutputReadLine();
        strace.BeginErrorReadLine();
        using var deadline = new CancellationTokenSource(Patience);
        try
        {
            await strace.WaitForExitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            strace.Kill(entireProcessTree: true);
            throw new TimeoutException($"{program} was not killed in time:\n{await File.ReadAllTextAsync(trace, CancellationToken.None)}");
        }
        return await File.ReadAllLinesAsync(trace, CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        ProcessSignal.Terminate(_strace);
        await _strace.WaitForExitAsync().WaitAsync(Patience);
        _strace.Dispose();
    }

    private static Process Start(string[] arguments) =>
        Process.Start(new ProcessStartInfo("strace", arguments) { RedirectStandardError = true, RedirectStandardOutput = true })
        ?? throw new InvalidOperationException("strace did not start.");
}
