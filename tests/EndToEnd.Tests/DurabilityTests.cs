using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>
/// kill -9 leaves the page cache whole, so it proves nothing about a power cut. The order of system calls does: what carries the mail is flushed,
/// and so is the directory that names it, before the answer goes out.
/// </summary>
public sealed partial class DurabilityTests
{
    [Fact]
    public async Task File_and_directory_are_flushed_before_250_is_written()
    {
        // Nobody listens at the next hop: nothing but receiving happens.
        await using var gateway = new GatewayProcess(new GatewaySetup { NextHopPort = Loopback.FreePort() });
        await gateway.StartAsync();
        var trace = gateway["trace"];
        using (var strace = await AttachAsync(gateway.Child.Id, trace, TestContext.Current.CancellationToken))
        {
            using (var talker = await SmtpTalker.GreetAsync(gateway.RelayPort))
            {
                var text = Mails.Text(Mails.NewId(), "alice@example.org", "someone@outside.example");
                var reply = await talker.DeliverAsync("alice@example.org", "someone@outside.example", Encoding.ASCII.GetBytes(text));
                Assert.StartsWith("250 2.0.0", reply, StringComparison.Ordinal);
            }
            ProcessSignal.Terminate(strace);
            await strace.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        }
        AssertOrder(await File.ReadAllLinesAsync(trace, TestContext.Current.CancellationToken), gateway.SpoolFolder);
    }

    /// <summary>Returns once strace watches all threads of the process.</summary>
    private static async Task<Process> AttachAsync(int id, string trace, CancellationToken cancellationToken)
    {
        var strace = Process.Start(new ProcessStartInfo("strace",
        [
            "-f", "-y", "-tt", "-s", "64", "-o", trace, "-p", id.ToString(CultureInfo.InvariantCulture),
            "-e", "trace=openat,rename,renameat,renameat2,fsync,fdatasync,sendto,sendmsg,write,writev,pwrite64",
        ])
        {
            RedirectStandardError = true,
        })!;
        var said = await strace.StandardError.ReadLineAsync(cancellationToken).AsTask().WaitAsync(TimeSpan.FromSeconds(20), cancellationToken);
        if (said?.Contains("attached", StringComparison.Ordinal) != true)
            throw new InvalidOperationException($"strace says: {said}{await strace.StandardError.ReadToEndAsync(cancellationToken)}");
        return strace;
    }

    private static void AssertOrder(string[] lines, string spool)
    {
        var data = Find(lines, 0, l => l.Contains("\"354 ", StringComparison.Ordinal));
        var answer = Find(lines, data, l => l.Contains("\"250 2.0.0 Queued", StringComparison.Ordinal));
        // Only flushes that have ended before the answer began count: strace writes a call that others interrupt in two lines.
        var flushed = FinishedFlushes(lines[data..answer]).ToList();
        var files = flushed.Where(f => f.StartsWith(spool, StringComparison.Ordinal) && !Directory.Exists(f)).ToList();
        var folders = flushed.Where(f => f.StartsWith(spool, StringComparison.Ordinal) && Directory.Exists(f)).ToList();
        var shown = string.Join('\n', lines[data..(answer + 1)]);
        Assert.True(files.Count > 0, "No file of the spool was flushed before the answer:\n" + shown);
        Assert.True(folders.Count > 0, "No directory of the spool was flushed before the answer:\n" + shown);
    }

    private static int Find(string[] lines, int from, Predicate<string> condition)
    {
        var found = Array.FindIndex(lines, from, condition);
        Assert.True(found >= 0, "The trace lacks a line that it must have:\n" + string.Join('\n', lines[from..].TakeLast(40)));
        return found;
    }

    /// <summary>The paths of fsync and fdatasync calls that returned 0, in the order of their ends.</summary>
    private static IEnumerable<string> FinishedFlushes(string[] lines)
    {
        var pending = new Dictionary<string, string>();
        foreach (var line in lines)
        {
            if (Flush().Match(line) is { Success: true } flush)
            {
                if (line.Contains("unfinished", StringComparison.Ordinal))
                    pending[flush.Groups[1].Value] = flush.Groups[2].Value;
                else if (line.EndsWith("= 0", StringComparison.Ordinal))
                    yield return flush.Groups[2].Value;
            }
            else if (Resumed().Match(line) is { Success: true } resumed && pending.Remove(resumed.Groups[1].Value, out var path)
                && line.EndsWith("= 0", StringComparison.Ordinal))
            {
                yield return path;
            }
        }
    }

    [GeneratedRegex(@"^(\d+) +\S+ f(?:data)?sync\(\d+<([^>]*)>")]
    private static partial Regex Flush();

    [GeneratedRegex(@"^(\d+) +\S+ <\.\.\. f(?:data)?sync resumed>")]
    private static partial Regex Resumed();
}
