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
        string id;
        await using (await Strace.AttachAsync(
            gateway.Child.Id,
            trace,
            "-y", "-tt", "-s", "64", "-e", "trace=openat,rename,renameat,renameat2,fsync,fdatasync,sendto,sendmsg,write,writev,pwrite64,pwritev"))
        {
            using (var talker = await SmtpTalker.GreetAsync(gateway.RelayPort))
            {
                var text = Mails.Text(Mails.NewId(), "alice@example.org", "someone@outside.example");
                var reply = await talker.DeliverAsync("alice@example.org", "someone@outside.example", Encoding.ASCII.GetBytes(text));
                Assert.StartsWith("250 2.0.0 Queued as ", reply, StringComparison.Ordinal);
                id = reply.Split(' ')[^1];
            }
        }
        AssertOrder(await File.ReadAllLinesAsync(trace, TestContext.Current.CancellationToken), id, gateway.SpoolFolder);
    }

    /// <summary>The item's file: written, flushed, given its final name; the directory of that name flushed; only then the answer.</summary>
    private static void AssertOrder(string[] lines, string id, string spool)
    {
        var data = Find(lines, 0, l => l.Contains("\"354 ", StringComparison.Ordinal));
        var answer = Find(lines, data, l => l.Contains($"\"250 2.0.0 Queued as {id}", StringComparison.Ordinal));
        var shown = string.Join('\n', lines[data..(answer + 1)].Where(l => l.Contains(spool, StringComparison.Ordinal)));
        var flushes = FinishedFlushes(lines).ToList();
        var written = Array.FindLastIndex(lines, answer, l => WritesTo().IsMatch(l) && l.Contains($"{id}.tmp>", StringComparison.Ordinal));
        var flushed = flushes.Where(f => f.Path.Contains(id, StringComparison.Ordinal)).Select(f => f.Line).DefaultIfEmpty(-1).First();
        var named = Array.FindIndex(lines, l => l.Contains(" rename", StringComparison.Ordinal) && l.Contains(id, StringComparison.Ordinal));
        var name = Quoted().Matches(lines[named < 0 ? answer : named]).Last().Groups[1].Value;
        var folder = flushes.Where(f => f.Path == Path.GetDirectoryName(name) && f.Line > named).Select(f => f.Line).DefaultIfEmpty(-1).First();
        Assert.True(
            data < written && written < flushed && flushed < named && named < folder && folder < answer,
            $"354 at {data}, written {written}, flushed {flushed}, named {named}, folder flushed {folder}, 250 at {answer}:\n{shown}");
        Assert.StartsWith(spool, name, StringComparison.Ordinal);
    }

    private static int Find(string[] lines, int from, Predicate<string> condition)
    {
        var found = Array.FindIndex(lines, from, condition);
        Assert.True(found >= 0, "The trace lacks a line that it must have:\n" + string.Join('\n', lines[from..].TakeLast(40)));
        return found;
    }

    /// <summary>
    /// The paths of fsync and fdatasync calls that returned 0, with the lines of their ends: strace writes a call in two lines where another
    /// thread's comes in between.
    /// </summary>
    private static IEnumerable<(int Line, string Path)> FinishedFlushes(string[] lines)
    {
        var pending = new Dictionary<string, string>();
        for (var i = 0; i < lines.Length; i++)
        {
            var line = lines[i];
            if (Flush().Match(line) is { Success: true } flush)
            {
                if (line.Contains("unfinished", StringComparison.Ordinal))
                    pending[flush.Groups[1].Value] = flush.Groups[2].Value;
                else if (line.EndsWith("= 0", StringComparison.Ordinal))
                    yield return (i, flush.Groups[2].Value);
            }
            else if (Resumed().Match(line) is { Success: true } resumed && pending.Remove(resumed.Groups[1].Value, out var path)
                && line.EndsWith("= 0", StringComparison.Ordinal))
            {
                yield return (i, path);
            }
        }
    }

    [GeneratedRegex(@"^(\d+) +\S+ f(?:data)?sync\(\d+<([^>]*)>")]
    private static partial Regex Flush();

    [GeneratedRegex(@"^\d+ +\S+ (?:write|writev|pwrite64|pwritev)\(")]
    private static partial Regex WritesTo();

    [GeneratedRegex("\"([^\"]*)\"")]
    private static partial Regex Quoted();

    [GeneratedRegex(@"^(\d+) +\S+ <\.\.\. f(?:data)?sync resumed>")]
    private static partial Regex Resumed();
}
