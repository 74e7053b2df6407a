using GatewaySecure.KdcCore;
using GatewaySecure.KdcServer.Hosting;
using GatewaySecure.Storage;
using GatewaySecure.TestKit;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Time.Testing;

namespace GatewaySecure.KdcServer.Tests;

/// <summary>The audit chain of a server: anchors, what a check of a copy finds, and addresses that are forgotten.</summary>
public sealed class AuditTests
{
    private const int Card = 1;

    private static CancellationToken Cancel => RunningKdc.Cancel;

    [Theory]
    [InlineData("UPDATE audit SET event = (SELECT event FROM audit WHERE sequence = 2) WHERE sequence = 3", "Line 3 was changed")]
    [InlineData("UPDATE audit SET event = CAST(substr(event, 1, length(event) - 1) || 'x' AS BLOB) WHERE sequence = 4", "Line 4 was changed")]
    [InlineData("DELETE FROM audit WHERE sequence = 3", "Line 3 is missing")]
    [InlineData("DELETE FROM audit WHERE sequence = 1", "Line 1 is missing")]
    [InlineData("DELETE FROM audit WHERE sequence = 2; UPDATE audit SET sequence = sequence - 1 WHERE sequence > 2", "Line 2 was changed")]
    [InlineData(
        "UPDATE audit SET sequence = -3 WHERE sequence = 3; UPDATE audit SET sequence = 3 WHERE sequence = 4; UPDATE audit SET sequence = 4 WHERE sequence = -3",
        "Line 3 was changed")]
    [InlineData("INSERT INTO audit SELECT max(sequence) + 1, event, hash FROM audit", "was changed, or lines were moved")]
    public async Task A_copy_that_was_edited_cut_in_the_middle_or_reordered_is_found_out_without_the_server(string edit, string finding)
    {
        using var folder = new TempDirectory();
        var copy = await CopyAsync(folder);
        Assert.Null((await AuditChain.VerifyFileAsync(copy, [], Cancel)).Fault);
        await EditAsync(copy, edit);
        Assert.Contains(finding, (await AuditChain.VerifyFileAsync(copy, [], Cancel)).Fault, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_tail_that_was_cut_off_shows_against_an_anchor_that_was_kept_elsewhere()
    {
        using var folder = new TempDirectory();
        var copy = await CopyAsync(folder);
        var anchor = AuditAnchor.Parse(File.ReadLines(folder["anchors"]).Last())!;
        Assert.True(anchor.IsSigned());
        Assert.False((anchor with { Sequence = anchor.Sequence - 1 }).IsSigned());
        AuditHead[] noted = [new(anchor.Sequence, anchor.Hash)];
        var whole = await AuditChain.VerifyFileAsync(copy, noted, Cancel);
        Assert.Null(whole.Fault);
        // Made at the stop, so nothing is behind it.
        Assert.Equal(anchor.Sequence, whole.Head.Sequence);

        await EditAsync(copy, "DELETE FROM audit WHERE sequence = (SELECT max(sequence) FROM audit)");
        Assert.Null((await AuditChain.VerifyFileAsync(copy, [], Cancel)).Fault);
        Assert.Contains("was noted before", (await AuditChain.VerifyFileAsync(copy, noted, Cancel)).Fault, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Anchors_are_made_at_intervals_where_something_was_added()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        await using var kdc = await RunningKdc.StartAsync(time: time);
        var file = Path.Combine(kdc.State, "audit-anchors.jsonl");
        await kdc.AddUserAsync("alice");
        var head = await kdc.Keys.Database.Audit.HeadAsync(Cancel);
        time.Advance(TimeSpan.FromHours(1));
        while (!File.Exists(file) || new FileInfo(file).Length == 0)
            await Task.Delay(20, Cancel);
        await kdc.StopAsync();
        // The stop had nothing to add.
        var anchor = AuditAnchor.Parse(Assert.Single(await File.ReadAllLinesAsync(file, Cancel)))!;
        Assert.Equal((head.Sequence, head.Hash), (anchor.Sequence, anchor.Hash));
    }

    [Fact]
    public async Task Addresses_in_the_chain_are_readable_until_they_are_forgotten_and_the_chain_holds_then_too()
    {
        await using var kdc = await RunningKdc.StartAsync();
        var alice = await kdc.AddUserAsync("alice");
        var bob = await kdc.AddUserAsync("bob");
        await kdc.Operator.SuspendAsync(PrincipalId.FromOctets(bob.Principal), "on leave", Cancel);
        await alice.RequestAsync(kdc.Client(), "alice@example.org", Card, "bob@example.org");
        await alice.RequestAsync(kdc.Client(), "alice@example.org", Card, "stranger@example.net");
        Assert.Contains("bob@example.org", await ShownAsync(kdc), StringComparison.Ordinal);
        Assert.Contains("stranger@example.net", await ShownAsync(kdc), StringComparison.Ordinal);

        await kdc.Operator.DeleteAsync(PrincipalId.FromOctets(bob.Principal), "left", Cancel, forget: true);
        await kdc.StopAsync();
        var database = Path.Combine(kdc.State, "gatewaysecure.db");
        Assert.Null((await AuditChain.VerifyFileAsync(database, [], Cancel)).Fault);
        await using var again = await KdcKeys.OpenAsync(KdcState.At(kdc.State), null, Cancel);
        var shown = await ShownAsync(again);
        Assert.DoesNotContain("bob@example.org", shown, StringComparison.Ordinal);
        Assert.Contains("(forgotten)", shown, StringComparison.Ordinal);
        Assert.Contains("alice@example.org", shown, StringComparison.Ordinal);
        await again.DisposeAsync();
        // Nowhere in the files: no ticket was ever issued to him, whose context would name him.
        foreach (var file in Directory.EnumerateFiles(kdc.State, "gatewaysecure.db*"))
            Assert.True((await File.ReadAllBytesAsync(file, Cancel)).AsSpan().IndexOf("bob@example.org"u8) < 0, file);
    }

    private static Task<string> ShownAsync(RunningKdc kdc) => ShownAsync(kdc.Keys);

    private static async Task<string> ShownAsync(KdcKeys keys)
    {
        var lines = new List<string>();
        foreach (var e in await keys.Database.Audit.ReadAsync(1, 1000, Cancel))
            lines.Add((await SealedAddress.ShowAsync(e, keys.Database.Principals, Cancel)).ToString());
        return string.Join('\n', lines);
    }

    /// <summary>What a server left that was stopped: its database, and its anchors.</summary>
    private static async Task<string> CopyAsync(TempDirectory folder)
    {
        await using var kdc = await RunningKdc.StartAsync();
        var alice = await kdc.AddUserAsync("alice");
        await kdc.AddUserAsync("bob");
        await alice.RequestAsync(kdc.Client(), "alice@example.org", Card, "bob@example.org");
        await kdc.StopAsync();
        File.Copy(Path.Combine(kdc.State, "gatewaysecure.db"), folder["copy.db"]);
        File.Copy(Path.Combine(kdc.State, "audit-anchors.jsonl"), folder["anchors"]);
        return folder["copy.db"];
    }

    private static async Task EditAsync(string file, string sql)
    {
        await using var database = new SqliteConnection($"Data Source={file};Pooling=False");
        await database.OpenAsync(Cancel);
        await using var edit = database.CreateCommand();
#pragma warning disable CA2100 // The test's own constants.
        edit.CommandText = sql;
#pragma warning restore CA2100
        await edit.ExecuteNonQueryAsync(Cancel);
    }
}
