using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>
/// kill -9 at every step of the spool: strace ends the gateway at a chosen system call, before the kernel does it. After each death the gateway
/// starts again, the client sends what got no 250 again, and every copy that the next hop took is counted.
/// </summary>
public sealed class SpoolKillTests(ITestOutputHelper output) : IAsyncDisposable
{
    private const string First = "first@outside.example";
    private const string Second = "second@outside.example";
    private const int Small = 100;
    private const int Large = 1 << 20;

    /// <summary>So often a kill may hit the jobs' database instead.</summary>
    private const int Tries = 5;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly ConcurrentDictionary<string, bool> _deferred = new();
    private readonly List<(string Id, string Recipient, int Copies)> _expected = [];
    private SmtpSink _sink = null!;
    private GatewayProcess _gateway = null!;
    private int _step;

    private string IncomingFolder => Path.Combine(_gateway.SpoolFolder, "incoming");

    private string QueueFolder => Path.Combine(_gateway.SpoolFolder, "queue");

    public async ValueTask DisposeAsync()
    {
        await _gateway.DisposeAsync();
        await _sink.DisposeAsync();
    }

    [Fact]
    public async Task Killed_at_every_step_of_the_spool_it_loses_nothing_and_doubles_only_what_was_open()
    {
        _sink = new SmtpSink(new SmtpSinkOptions { Keep = true, Answer = Answer });
        _gateway = new GatewayProcess(new GatewaySetup { NextHopPort = _sink.Port });
        await _gateway.StartAsync();

        // Until the name is in queue/ nothing of it is left, and the client sends it again.
        await AtTheSpoolAsync(() => KillWhileItArrivesAsync("write of an item", "pwrite64", ".tmp", Small, copiesOfTheSpool: 0));
        await AtTheSpoolAsync(() => KillWhileItArrivesAsync("write of a large item's chunk", "pwritev", ".tmp", Large, copiesOfTheSpool: 0));
        await AtTheSpoolAsync(() => KillWhileItArrivesAsync("flush of an item", "fsync", ".tmp", Small, copiesOfTheSpool: 0));
        await AtTheSpoolAsync(() => KillWhileItArrivesAsync("rename", "rename", ".tmp", Small, copiesOfTheSpool: 0, andInRecovery: true));
        // From here on it goes out, and as the client got no 250 it sends it again: the double that SMTP can't avoid (RFC 1047).
        await AtTheSpoolAsync(() => KillWhileItArrivesAsync("flush of the folder", "fsync", "queue", Small, copiesOfTheSpool: 1, QueueFolder));
        await AtTheSpoolAsync(() => KillWhileItArrivesAsync("before the answer", "close", "queue", Small, copiesOfTheSpool: 1, QueueFolder));
        // The next hop has it, and nothing says so yet.
        await AtTheSpoolAsync(KillWhileItLeavesAsync);

        // One recipient is delivered, the other waits: what is known so far goes into the journal.
        await KillWhileItIsJournalledAsync("write of a journal", "pwrite64", copiesOfFirst: 2);
        await KillWhileItIsJournalledAsync("flush of a journal", "fsync", copiesOfFirst: 1);
        await KillWhileItIsJournalledAsync("flush of the folder that names it", "fsync", copiesOfFirst: 1, atFolder: true);
        await KillWhileATornJournalIsCutAsync();
        await AtTheSpoolAsync(KillWhileTheJournalIsRemovedAsync);

        await EndAsync();
        foreach (var (id, recipient, copies) in _expected)
            Assert.Equal((id, recipient, copies), (id, recipient, Copies(id, recipient)));
        foreach (var folder in (string[])[IncomingFolder, QueueFolder, Path.Combine(_gateway.SpoolFolder, "aside")])
            Assert.Empty(Directory.GetFiles(folder));
        output.WriteLine($"{_expected.Count} recipients, {_expected.Count(e => e.Copies > 1)} of them with more than one copy, none without");
    }

    /// <summary>
    /// Names of items are not known before they are written, so that strace looks at a call wherever it goes; where the scheduler wrote to its own
    /// database just then, the step is done again with another mail.
    /// </summary>
    private async Task AtTheSpoolAsync(Func<Task> step)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await step();
                return;
            }
            catch (HitTheJobsException e) when (attempt < Tries)
            {
                output.WriteLine($"{e.Message} Again.");
                _deferred.Clear();
                await RestartAsync();
                await UntilAsync(() => Directory.GetFiles(QueueFolder).Length == 0, "the queue does not get empty");
            }
        }
    }

    private string? Answer(string line) =>
        _deferred.Keys.Any(r => line.StartsWith("RCPT", StringComparison.Ordinal) && line.Contains(r, StringComparison.Ordinal)) ? "451 4.3.0 Later" : null;

    private async Task KillWhileItArrivesAsync(
        string step, string call, string target, int size, int copiesOfTheSpool, string? path = null, bool andInRecovery = false)
    {
        var id = Mails.NewId();
        bool acknowledged;
        var trace = Trace();
        await using (await KillAtAsync(trace, call, 1, path))
        {
            acknowledged = await SubmitAsync(id, size, First);
            await DiedAsync(step, trace, call, target);
        }
        Assert.False(acknowledged, $"{step}: it was acknowledged before it was durable.");
        if (andInRecovery)
            await KillInRecoveryAsync("removal of what was not committed", "unlink", Directory.GetFiles(IncomingFolder).Single());
        else
            await RestartAsync();
        Assert.True(await SubmitAsync(id, size, First));
        await ExpectAsync(step, id, (First, copiesOfTheSpool + 1));
    }

    private async Task KillWhileItLeavesAsync()
    {
        var id = Mails.NewId();
        bool acknowledged;
        var trace = Trace();
        await using (await KillAtAsync(trace, "unlink", 1))
        {
            acknowledged = await SubmitAsync(id, Small, First);
            await DiedAsync("removal of an item", trace, "unlink", ".mail");
        }
        await RestartAsync();
        if (!acknowledged)
            Assert.True(await SubmitAsync(id, Small, First));
        await ExpectAsync("removal of an item", id, (First, acknowledged ? 2 : 3));
    }

    /// <summary>Both recipients are due together only where their time came while it did not run.</summary>
    private async Task KillWhileItIsJournalledAsync(string step, string call, int copiesOfFirst, bool atFolder = false)
    {
        var id = await SubmitDeferredAsync();
        await _gateway.Child.KillAsync();
        await Task.Delay(1200);
        _deferred.Remove(First, out _);
        await KillInRecoveryAsync(step, call, atFolder ? QueueFolder : Directory.GetFiles(QueueFolder, "*.log").Single());
        _deferred.Clear();
        await ExpectAsync(step, id, (First, copiesOfFirst), (Second, 1));
    }

    /// <summary>A power cut may leave a record that is not whole; it is cut off before the next one is written.</summary>
    private async Task KillWhileATornJournalIsCutAsync()
    {
        var id = await SubmitDeferredAsync();
        await _gateway.Child.KillAsync();
        var journal = Directory.GetFiles(QueueFolder, "*.log").Single();
        await using (var file = new FileStream(journal, FileMode.Append))
            file.Write(new byte[20]);
        await KillInRecoveryAsync("cut of a torn journal", "ftruncate", journal);
        _deferred.Clear();
        await ExpectAsync("cut of a torn journal", id, (First, 1), (Second, 1));
    }

    private async Task KillWhileTheJournalIsRemovedAsync()
    {
        var id = await SubmitDeferredAsync();
        var trace = Trace();
        await using (await KillAtAsync(trace, "unlink", 2))
        {
            _deferred.Clear();
            await DiedAsync("removal of a journal", trace, "unlink", ".log");
        }
        var journal = Directory.GetFiles(QueueFolder).Single();
        await KillInRecoveryAsync("removal of a journal without its mail", "unlink", journal);
        await ExpectAsync("removal of a journal", id, (First, 1), (Second, 1));
    }

    /// <summary>Started under strace, killed when it does that to the file or folder, and started again.</summary>
    private async Task KillInRecoveryAsync(string step, string call, string file)
    {
        if (_gateway.Child.IsRunning)
            await _gateway.Child.KillAsync();
        var lines = await Strace.RunUntilKilledAsync(
            Trace(), ["-P", file, .. Kill(call, 1)], Programs.Gateway, ["run", "--config", _gateway.ConfigurationFile, "--state", _gateway.State]);
        AssertDiedAt(step, lines, call, Path.GetFileName(file));
        await RestartAsync();
    }

    /// <summary>A mail to both recipients, acknowledged, which the next hop put off for both.</summary>
    private async Task<string> SubmitDeferredAsync()
    {
        _deferred[First] = _deferred[Second] = true;
        var id = Mails.NewId();
        Assert.True(await SubmitAsync(id, Small, First, Second));
        await UntilAsync(() => Directory.GetFiles(QueueFolder, "*.log").Length == 1, "no journal was written");
        return id;
    }

    private Task<Strace> KillAtAsync(string trace, string call, int when, string? path = null) =>
        Strace.AttachAsync(_gateway.Child.Id, trace, [.. path is null ? Array.Empty<string>() : ["-P", path], .. Kill(call, when)]);

    /// <summary>The count is each thread's own.</summary>
    private static string[] Kill(string call, int when) => ["-y", "-e", $"trace={call}", "-e", $"inject={call}:signal=KILL:when={when}"];

    private async Task DiedAsync(string step, string trace, string call, string target)
    {
        try
        {
            await _gateway.Child.WaitForEndAsync(Patience);
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"{step}: it was not killed.\n{await File.ReadAllTextAsync(trace)}", e);
        }
        AssertDiedAt(step, await File.ReadAllLinesAsync(trace), call, target);
    }

    private static void AssertDiedAt(string step, string[] trace, string call, string target)
    {
        Assert.Contains(trace, line => line.Contains("+++ killed by SIGKILL +++", StringComparison.Ordinal));
        var last = trace.Last(line => line.Contains($" {call}(", StringComparison.Ordinal));
        if (last.Contains(target, StringComparison.Ordinal))
            return;
        var message = $"{step}: it died at another: {last}";
        throw trace.Any(line => line.Contains("jobs.db", StringComparison.Ordinal)) ? new HitTheJobsException(message) : new InvalidOperationException(message);
    }

    private string Trace() => _gateway[$"trace-{_step++}"];

    private Task RestartAsync() => _gateway.StartAsync();

    /// <returns>Whether it was acknowledged.</returns>
    private async Task<bool> SubmitAsync(string id, int size, params string[] recipients)
    {
        try
        {
            using var talker = await SmtpTalker.GreetAsync(_gateway.RelayPort);
            await talker.SayAsync("MAIL FROM:<alice@example.org>");
            foreach (var recipient in recipients)
                await talker.SayAsync($"RCPT TO:<{recipient}>");
            await talker.SayAsync("DATA");
            var line = new string('x', 76) + "\r\n";
            await talker.SendAsync(Mails.Text(id, "alice@example.org", recipients[0], string.Concat(Enumerable.Repeat(line, size / line.Length))) + ".\r\n");
            return (await talker.ReadReplyAsync()).StartsWith("250", StringComparison.Ordinal);
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            return false;
        }
    }

    private async Task ExpectAsync(string step, string id, params (string Recipient, int Copies)[] expected)
    {
        await UntilAsync(() => expected.All(e => Copies(id, e.Recipient) >= e.Copies), $"{step}: not all arrived");
        await UntilAsync(() => Directory.GetFiles(QueueFolder).Length == 0, $"{step}: the queue does not get empty");
        foreach (var (recipient, copies) in expected)
        {
            output.WriteLine($"{step}: {recipient}: {Copies(id, recipient)} arrived");
            Assert.True(Copies(id, recipient) == copies, $"{step}: {recipient}: {Copies(id, recipient)} copies instead of {copies}");
            _expected.Add((id, recipient, copies));
        }
    }

    /// <summary>Nothing may come late.</summary>
    private async Task EndAsync()
    {
        await _gateway.Child.StopAsync();
        await _gateway.StartAsync();
        await UntilAsync(() => Directory.GetFiles(QueueFolder).Length == 0, "the queue does not get empty");
    }

    private int Copies(string id, string recipient) =>
        _sink.Messages.Count(m => m.Recipients.Contains(recipient)
            && Encoding.Latin1.GetString(m.Content.AsSpan(0, Math.Min(m.Content.Length, 4096))).Contains($"<{id}>", StringComparison.Ordinal));

    private async Task UntilAsync(Func<bool> condition, string otherwise)
    {
        for (var until = DateTime.UtcNow + Patience; !condition(); await Task.Delay(30))
        {
            if (DateTime.UtcNow > until)
                throw new TimeoutException($"{otherwise}:\n{_gateway.LogText}");
        }
    }

    private sealed class HitTheJobsException(string message) : Exception(message);
}
