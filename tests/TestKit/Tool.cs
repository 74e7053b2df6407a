using System.Diagnostics;
using System.Text;

namespace GatewaySecure.TestKit;

/// <summary>Runs a program that a user would have (openssl, swaks, gpg…) to its end.</summary>
public static class Tool
{
    /// <summary>True where the program is installed.</summary>
    public static bool Exists(string name) =>
        new[] { "/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin" }.Any(d => File.Exists(Path.Combine(d, name)));

    /// <exception cref="TimeoutException">It did not end in time; it was killed.</exception>
    public static async Task<ToolResult> RunAsync(
        string name,
        IEnumerable<string> arguments,
        byte[]? input = null,
        IReadOnlyDictionary<string, string>? environment = null,
        TimeSpan? timeout = null)
    {
        var start = new ProcessStartInfo(name, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (key, value) in environment ?? new Dictionary<string, string>())
            start.Environment[key] = value;
        using var process = Process.Start(start) ?? throw new InvalidOperationException($"{name} did not start.");
        using var output = new MemoryStream();
        var readOutput = process.StandardOutput.BaseStream.CopyToAsync(output);
        var readError = process.StandardError.ReadToEndAsync();
        if (input is not null)
        {
            try
            {
                await process.StandardInput.BaseStream.WriteAsync(input);
            }
            catch (IOException)
            {
                // The program ended without reading all of it; its exit code tells why.
            }
        }
        process.StandardInput.Close();
        using var deadline = new CancellationTokenSource(timeout ?? TimeSpan.FromSeconds(60));
        try
        {
            await process.WaitForExitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{name} {string.Join(' ', arguments)} did not end in time.");
        }
        await readOutput;
        return new ToolResult(process.ExitCode, output.ToArray(), await readError);
    }
}

/// <summary>How a program ended and what it said.</summary>
public sealed record ToolResult(int ExitCode, byte[] Output, string Error)
{
    public string Text => Encoding.UTF8.GetString(Output);

    /// <summary>Both streams, for assertion messages.</summary>
    public string All => Text + Error;

    /// <exception cref="InvalidOperationException">It did not exit with 0.</exception>
    public ToolResult Checked() => ExitCode == 0 ? this : throw new InvalidOperationException($"exit status {ExitCode}: {All}");
}
