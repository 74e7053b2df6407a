using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using GatewaySecure.Gateway.Spool;

namespace GatewaySecure.Gateway.Tests.Spool;

public sealed class SpoolItemTests
{
    private const int Chunk = 64 << 10;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(Chunk - 1)]
    [InlineData(Chunk)]
    [InlineData(Chunk + 1)]
    [InlineData(4 * Chunk)]
    [InlineData((4 * Chunk) + 1)]
    [InlineData(3 << 20)]
    public async Task Content_of_any_length_comes_back_from_memory_and_from_disk(int length)
    {
        using var bench = new SpoolBench();
        var content = SpoolBench.Random(length);
        var item = await bench.PutAsync(content);
        Assert.Equal(length, item.Content.Length);
        Assert.Equal(content, SpoolBench.ReadAll(item));

        item.ReleaseMemory();
        Assert.Equal(content, SpoolBench.ReadAll(item));

        var again = Assert.Single(bench.Reopen().Recover().Items);
        Assert.Equal(item.Id, again.Id);
        Assert.Equal(content, SpoolBench.ReadAll(again));
    }

    [Fact]
    public async Task Content_in_many_small_writes_equals_one_write_and_reads_asynchronously()
    {
        using var bench = new SpoolBench();
        var content = SpoolBench.Random(700_001);
        await using var writer = bench.Spool.Begin();
        for (var at = 0; at < content.Length; at += 7_777)
            await writer.WriteAsync(content.AsMemory(at, Math.Min(7_777, content.Length - at)), SpoolBench.Cancel);
        var item = await writer.CommitAsync(SpoolBench.Mail, SpoolBench.Cancel);
        await using var stream = item.Content.OpenRead();
        using var all = new MemoryStream();
        await stream.CopyToAsync(all, SpoolBench.Cancel);
        Assert.Equal(content, all.ToArray());
    }

    [Fact]
    public async Task Everything_settled_at_acceptance_survives_a_restart()
    {
        using var bench = new SpoolBench();
        await bench.PutAsync([1]);
        var mail = Assert.Single(bench.Reopen().Recover().Items).Mail;
        Assert.Equal(JsonSerializer.Serialize(SpoolBench.Mail, MailJson.Default.AcceptedMail), JsonSerializer.Serialize(mail, MailJson.Default.AcceptedMail));
        Assert.Equal(SpoolBench.Mail.Envelope.Recipients[1].Address, mail.Envelope.Recipients[1].Address);
        Assert.Equal(SpoolBench.Mail.Envelope.Recipients[0].Notify, mail.Envelope.Recipients[0].Notify);
        Assert.Equal(SpoolBench.Mail.Decisions[0].Methods, mail.Decisions[0].Methods);
        Assert.Equal(SpoolBench.Mail.Session, mail.Session);
        Assert.Equal(SpoolBench.Mail.AcceptedAt, mail.AcceptedAt);
    }

    [Fact]
    public async Task Mail_from_nobody_survives_a_restart()
    {
        using var bench = new SpoolBench();
        await using (var writer = bench.Spool.Begin())
            await writer.CommitAsync(SpoolBench.Mail with { Envelope = SpoolBench.Mail.Envelope with { Sender = null, EnvelopeId = null } }, SpoolBench.Cancel);
        var recovered = bench.Reopen().Recover();
        Assert.Empty(recovered.SetAside);
        Assert.Null(Assert.Single(recovered.Items).Mail.Envelope.Sender);
    }

    [Fact]
    public async Task Nothing_of_the_mail_lies_on_the_disk_in_plain()
    {
        using var bench = new SpoolBench();
        var content = Encoding.ASCII.GetBytes("Subject: marker-subject\r\n\r\nmarker-body\r\n");
        var item = await bench.PutAsync(content);
        await item.RecordAsync([(0, RecipientStatus.New with { Reason = "marker-reason" })], durable: true, SpoolBench.Cancel);
        await item.KeepStateAsync("marker-group", "marker-state"u8.ToArray(), SpoolBench.Cancel);
        await using var large = bench.Spool.Begin();
        for (var i = 0; i < 10_000; i++)
            await large.WriteAsync(content, SpoolBench.Cancel);
        var files = Directory.GetFiles(bench.Root, "*", SearchOption.AllDirectories);
        Assert.Equal(3, files.Length);
        foreach (var file in files)
        {
            Assert.DoesNotContain("marker", Encoding.Latin1.GetString(File.ReadAllBytes(file)), StringComparison.OrdinalIgnoreCase);
            Assert.DoesNotContain("marker", file, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(100)]
    [InlineData(1 << 20)]
    public async Task Disposal_without_commit_leaves_nothing(int length)
    {
        using var bench = new SpoolBench();
        await using (var writer = bench.Spool.Begin())
        {
            await writer.WriteAsync(SpoolBench.Random(length), SpoolBench.Cancel);
            Assert.Empty(Directory.GetFiles(bench.Queue));
        }
        Assert.Empty(Directory.GetFiles(bench.Root, "*", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task Uncommitted_leftovers_of_a_crash_are_removed()
    {
        using var bench = new SpoolBench();
        await using var writer = bench.Spool.Begin();
        await writer.WriteAsync(SpoolBench.Random(1 << 20), SpoolBench.Cancel);
        Assert.Single(Directory.GetFiles(bench.Incoming));
        var recovered = bench.Reopen().Recover();
        Assert.Empty(recovered.Items);
        Assert.Empty(recovered.SetAside);
        Assert.Empty(Directory.GetFiles(bench.Root, "*", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task Memory_is_kept_within_its_budget()
    {
        using var bench = new SpoolBench(new SpoolOptions(0, KeepInMemory: 1000, MemoryBudget: 1500));
        var first = await bench.PutAsync(new byte[1000]);
        var second = await bench.PutAsync(new byte[1000]);
        Assert.Equal((true, false), (IsInMemory(bench, first), IsInMemory(bench, second)));
        await first.RecordAsync([(0, RecipientStatus.New with { Attempts = 1 })], durable: false, SpoolBench.Cancel);
        Assert.False(IsInMemory(bench, first));
        Assert.True(IsInMemory(bench, await bench.PutAsync(new byte[1000])));
    }

    [Fact]
    public async Task Ten_writers_at_once_lose_nothing()
    {
        using var bench = new SpoolBench();
        var put = new ConcurrentDictionary<QueueId, byte[]>();
        await Parallel.ForEachAsync(Enumerable.Range(0, 200), new ParallelOptions { MaxDegreeOfParallelism = 10, CancellationToken = SpoolBench.Cancel },
            async (i, _) =>
            {
                var content = SpoolBench.Random(i * 100);
                put[(await bench.PutAsync(content)).Id] = content;
            });
        var items = bench.Reopen().Recover().Items;
        Assert.Equal(200, items.Length);
        Assert.Equal(items.Select(i => i.Id).Order(), items.Select(i => i.Id));
        Assert.All(items, item => Assert.Equal(put[item.Id], SpoolBench.ReadAll(item)));
    }

    [Fact]
    public async Task Files_and_folders_are_for_the_owner_alone()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("File modes are Unix's.");
            return;
        }
        using var bench = new SpoolBench();
        var item = await bench.PutAsync([1]);
        await item.RecordAsync([(0, RecipientStatus.New)], durable: false, SpoolBench.Cancel);
        const UnixFileMode file = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        Assert.Equal(file, File.GetUnixFileMode(bench.MailFile(item)));
        Assert.Equal(file, File.GetUnixFileMode(bench.LogFile(item)));
        foreach (var folder in new[] { bench.Root, bench.Incoming, bench.Queue, bench.Aside })
            Assert.Equal(file | UnixFileMode.UserExecute, File.GetUnixFileMode(folder));
    }

    [Fact]
    public async Task A_view_shows_items_and_status_and_changes_nothing()
    {
        using var bench = new SpoolBench();
        var item = await bench.PutAsync([1, 2, 3]);
        var held = RecipientStatus.New with { State = RecipientState.Held, Reason = "no certificate" };
        await item.RecordAsync([(1, held)], durable: true, SpoolBench.Cancel);
        await File.WriteAllTextAsync(Path.Combine(bench.Queue, QueueId.Create(DateTimeOffset.UnixEpoch) + ".mail"), "rubbish", SpoolBench.Cancel);
        var view = MailSpool.ReadOnlyView(bench.Root, bench.Key);
        var seen = Assert.Single(view.Items);
        Assert.Equal(held, seen.Status[1]);
        Assert.Single(view.SetAside);
        Assert.Equal(3, Directory.GetFiles(bench.Queue).Length);
        await Assert.ThrowsAsync<InvalidOperationException>(() => seen.RecordAsync([(0, held)], false, SpoolBench.Cancel).AsTask());
        Assert.Throws<InvalidOperationException>(seen.Remove);
    }

    /// <summary>What is in memory can be read although the file is away.</summary>
    private static bool IsInMemory(SpoolBench bench, SpooledMail item)
    {
        var file = bench.MailFile(item);
        File.Move(file, file + ".away");
        try
        {
            using var stream = item.Content.OpenRead();
            return true;
        }
        catch (FileNotFoundException)
        {
            return false;
        }
        finally
        {
            File.Move(file + ".away", file);
        }
    }
}
