using GatewaySecure.Gateway.Spool;

namespace GatewaySecure.Gateway.Tests.Spool;

public sealed class SpoolMemoryTests
{
    private const int Chunk = 64 << 10;
    private const int Budget = 8 * Chunk;

    private static readonly SpoolOptions Options = new(MinimumFreeSpace: 0, MemoryBudget: Budget);

    [Fact]
    public async Task Many_slow_clients_together_hold_no_more_than_the_budget_and_the_rest_goes_to_the_disk()
    {
        using var bench = new SpoolBench(Options);
        var content = SpoolBench.Random((4 * Chunk) - 1);
        var writers = Enumerable.Range(0, 40).Select(_ => bench.Spool.Begin()).ToList();
        // All of them in small steps side by side, as from many connections.
        for (var at = 0; at < content.Length; at += 10_000)
        {
            foreach (var writer in writers)
                await writer.WriteAsync(content.AsMemory(at, Math.Min(10_000, content.Length - at)), SpoolBench.Cancel);
            Assert.InRange(bench.Spool.InMemory, 0, Budget);
        }
        Assert.NotInRange(Directory.GetFiles(bench.Incoming).Length, 0, 30);

        var items = new List<SpooledMail>();
        foreach (var writer in writers)
        {
            items.Add(await writer.CommitAsync(SpoolBench.Mail, SpoolBench.Cancel));
            Assert.InRange(bench.Spool.InMemory, 0, Budget);
        }
        Assert.All(items, item => Assert.Equal(content, SpoolBench.ReadAll(item)));
        Assert.All(bench.Reopen().Recover().Items, item => Assert.Equal(content, SpoolBench.ReadAll(item)));
    }

    [Fact]
    public async Task What_was_held_is_given_back_however_a_mail_ends()
    {
        using var bench = new SpoolBench(Options);
        for (var round = 0; round < 30; round++)
        {
            await using (var abandoned = bench.Spool.Begin())
                await abandoned.WriteAsync(SpoolBench.Random(3 * Chunk), SpoolBench.Cancel);
            await using (var failing = bench.Spool.Begin())
            {
                await failing.WriteAsync(SpoolBench.Random(3 * Chunk), SpoolBench.Cancel);
                bench.Spool.BeforeWrite = () => throw new IOException("The disk fails.");
                await Assert.ThrowsAsync<SpoolUnavailableException>(async () => await failing.CommitAsync(SpoolBench.Mail, SpoolBench.Cancel));
                bench.Spool.BeforeWrite = null;
            }
            (await bench.PutAsync(SpoolBench.Random(3 * Chunk))).Remove();
            (await bench.PutAsync(SpoolBench.Random(100))).ReleaseMemory();
            (await bench.PutAsync(SpoolBench.Random(20 * Chunk))).Remove();
            Assert.Equal(0, bench.Spool.InMemory);
        }
    }
}
