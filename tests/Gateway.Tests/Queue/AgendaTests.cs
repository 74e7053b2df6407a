using GatewaySecure.Gateway.Queue;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Policies;

namespace GatewaySecure.Gateway.Tests.Queue;

public sealed class AgendaTests
{
    [Fact]
    public async Task A_hundred_thousand_entries_come_when_due_and_not_before()
    {
        using var bench = new QueueBench();
        using var agenda = new Agenda<SpooledMail>(bench.Time);
        var item = await bench.PutAsync(QueueBench.Wants(ProtectionMethod.Normal), [QueueBench.To("a@partner.example")]);
        for (var i = 100_000; i > 0; i--)
            agenda.Add(item, QueueBench.Start.AddSeconds(i));
        var first = agenda.TakeAsync(QueueBench.Cancel);
        Assert.False(first.IsCompleted);
        bench.Time.Advance(TimeSpan.FromSeconds(50_000));
        await first;
        for (var i = 1; i < 50_000; i++)
            await agenda.TakeAsync(QueueBench.Cancel);
        var next = agenda.TakeAsync(QueueBench.Cancel);
        Assert.False(next.IsCompleted);
        bench.Time.Advance(TimeSpan.FromSeconds(50_000));
        await next;
        for (var i = 1; i < 50_000; i++)
            await agenda.TakeAsync(QueueBench.Cancel);
    }
}
