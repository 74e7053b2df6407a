using GatewaySecure.Gateway.Spool;
using GatewaySecure.Policies;

namespace GatewaySecure.Gateway.Tests.Spool;

public sealed class SpoolJournalTests
{
    private static readonly RecipientStatus Later =
        new(RecipientState.Queued, 3, new DateTimeOffset(2026, 3, 1, 13, 0, 0, TimeSpan.Zero), "451 4.3.0 busy", DelayReported: true);

    private static readonly RecipientStatus Done = new(RecipientState.Delivered, 4, null, "250 ok", DelayReported: true);

    [Fact]
    public async Task Status_and_kept_state_survive_a_restart_and_go_on()
    {
        using var bench = new SpoolBench();
        var item = await bench.PutAsync([1]);
        await item.RecordAsync([(0, Later), (1, Done)], durable: true, SpoolBench.Cancel);
        await item.KeepStateAsync("a", new byte[] { 1, 2 }, SpoolBench.Cancel);
        await item.KeepStateAsync("a", new byte[] { 3 }, SpoolBench.Cancel);

        item = Assert.Single(bench.Reopen().Recover().Items);
        Assert.Equal([Later, Done], item.Status);
        Assert.Equal([3], item.KeptState("a")!.Value.ToArray());
        Assert.Null(item.KeptState("b"));
        await item.RecordAsync([(0, Done)], durable: false, SpoolBench.Cancel);

        item = Assert.Single(bench.Reopen().Recover().Items);
        Assert.Equal([Done, Done], item.Status);
        Assert.Equal([3], item.KeptState("a")!.Value.ToArray());
    }

    [Fact]
    public async Task A_new_decision_survives_a_restart_and_what_was_kept_under_the_older_one_is_gone()
    {
        using var bench = new SpoolBench();
        var item = await bench.PutAsync([1]);
        await item.KeepStateAsync("kdc 0", new byte[] { 1 }, SpoolBench.Cancel);
        var decided = SpoolBench.Mail.Decisions[1] with { Rule = "later", Methods = [ProtectionMethod.Kdc], Action = DecisionAction.Protect };
        await item.DecideAsync([(1, decided)], [(1, Later)], SpoolBench.Cancel);
        Assert.Null(item.KeptState("kdc 0"));
        await item.KeepStateAsync("kdc 1", new byte[] { 2 }, SpoolBench.Cancel);

        item = Assert.Single(bench.Reopen().Recover().Items);
        Assert.Equal(["first", "later"], item.Decisions.Select(d => d.Rule));
        Assert.True(item.Decisions[1].ToOutcome().IsSameAs(decided.ToOutcome()));
        Assert.Equal(["first", "second"], item.Mail.Decisions.Select(d => d.Rule));
        Assert.Equal(Later, item.Status[1]);
        Assert.Null(item.KeptState("kdc 0"));
        Assert.Equal([2], item.KeptState("kdc 1")!.Value.ToArray());
    }

    [Fact]
    public async Task A_journal_cut_at_any_length_gives_the_whole_records_before_and_takes_new_ones()
    {
        using var bench = new SpoolBench();
        var item = await bench.PutAsync([1]);
        await item.RecordAsync([(0, Later)], durable: true, SpoolBench.Cancel);
        var firstEnd = new FileInfo(bench.LogFile(item)).Length;
        await item.RecordAsync([(0, Done)], durable: true, SpoolBench.Cancel);
        var whole = await File.ReadAllBytesAsync(bench.LogFile(item), SpoolBench.Cancel);
        for (var length = 0; length < whole.Length; length++)
        {
            var torn = Assert.Single(bench.RecoverWith(bench.LogFile(item), whole[..length]).Items);
            Assert.Equal(length < firstEnd ? RecipientStatus.New : Later, torn.Status[0]);
            await torn.RecordAsync([(1, Done)], durable: false, SpoolBench.Cancel);
            var again = Assert.Single(bench.Reopen().Recover().Items);
            Assert.Equal([torn.Status[0], Done], again.Status);
        }
    }

    [Fact]
    public async Task Sectors_that_a_crash_left_unwritten_are_cut_off()
    {
        using var bench = new SpoolBench();
        var item = await bench.PutAsync([1]);
        await item.RecordAsync([(0, Later)], durable: true, SpoolBench.Cancel);
        var firstEnd = (int)new FileInfo(bench.LogFile(item)).Length;
        await item.KeepStateAsync("a", SpoolBench.Random(3000), SpoolBench.Cancel);
        var whole = await File.ReadAllBytesAsync(bench.LogFile(item), SpoolBench.Cancel);
        foreach (var written in new[] { firstEnd, 512, 1024, 2048 })
        {
            byte[] crashed = [.. whole[..written], .. new byte[whole.Length - written]];
            var torn = Assert.Single(bench.RecoverWith(bench.LogFile(item), crashed).Items);
            Assert.Equal(Later, torn.Status[0]);
            Assert.Null(torn.KeptState("a"));
            await torn.RecordAsync([(1, Done)], durable: true, SpoolBench.Cancel);
            Assert.Equal([Later, Done], Assert.Single(bench.Reopen().Recover().Items).Status);
        }
    }

    [Fact]
    public async Task Any_altered_octet_of_a_journal_sets_the_item_aside()
    {
        using var bench = new SpoolBench();
        var item = await bench.PutAsync([1]);
        await item.RecordAsync([(0, Later)], durable: true, SpoolBench.Cancel);
        await item.RecordAsync([(0, Done)], durable: true, SpoolBench.Cancel);
        var mail = await File.ReadAllBytesAsync(bench.MailFile(item), SpoolBench.Cancel);
        var whole = await File.ReadAllBytesAsync(bench.LogFile(item), SpoolBench.Cancel);
        for (var i = 0; i < whole.Length; i++)
        {
            await File.WriteAllBytesAsync(bench.MailFile(item), mail, SpoolBench.Cancel);
            var altered = whole.ToArray();
            altered[i] ^= 1;
            var recovered = bench.RecoverWith(bench.LogFile(item), altered);
            Assert.Empty(recovered.Items);
            Assert.Single(recovered.SetAside);
            Assert.Equal(2, Directory.GetFiles(bench.Aside).Length);
        }
    }

    [Fact]
    public async Task Records_that_changed_places_set_the_item_aside()
    {
        using var bench = new SpoolBench();
        var item = await bench.PutAsync([1]);
        await item.RecordAsync([(0, Later)], durable: true, SpoolBench.Cancel);
        var middle = (int)new FileInfo(bench.LogFile(item)).Length;
        await item.RecordAsync([(0, Done)], durable: true, SpoolBench.Cancel);
        var whole = await File.ReadAllBytesAsync(bench.LogFile(item), SpoolBench.Cancel);
        var recovered = bench.RecoverWith(bench.LogFile(item), [.. whole[..8], .. whole[middle..], .. whole[8..middle]]);
        Assert.Empty(recovered.Items);
        Assert.Single(recovered.SetAside);
    }

    [Fact]
    public async Task A_removed_item_stays_removed_and_a_stray_journal_is_cleaned()
    {
        using var bench = new SpoolBench();
        var item = await bench.PutAsync([1]);
        await item.RecordAsync([(0, Done), (1, Done)], durable: true, SpoolBench.Cancel);
        var log = await File.ReadAllBytesAsync(bench.LogFile(item), SpoolBench.Cancel);
        item.Remove();
        Assert.Empty(Directory.GetFiles(bench.Queue));
        var recovered = bench.RecoverWith(bench.LogFile(item), log);
        Assert.Empty(recovered.Items);
        Assert.Empty(recovered.SetAside);
        Assert.Empty(Directory.GetFiles(bench.Queue));
    }

    [Fact]
    public async Task A_record_that_fails_leaves_the_status_as_it_was()
    {
        using var bench = new SpoolBench();
        var item = await bench.PutAsync([1]);
        // A folder where the journal belongs: it can't be opened for writing, whoever asks.
        Directory.CreateDirectory(bench.LogFile(item));
        await Assert.ThrowsAsync<SpoolUnavailableException>(() => item.RecordAsync([(0, Done)], true, SpoolBench.Cancel).AsTask());
        Assert.Equal(RecipientStatus.New, item.Status[0]);
        Directory.Delete(bench.LogFile(item));
        await item.RecordAsync([(0, Done)], true, SpoolBench.Cancel);
        Assert.Equal(Done, Assert.Single(bench.Reopen().Recover().Items).Status[0]);
    }
}
