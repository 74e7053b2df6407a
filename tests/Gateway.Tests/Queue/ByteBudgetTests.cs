using GatewaySecure.Gateway.Queue;

namespace GatewaySecure.Gateway.Tests.Queue;

public sealed class ByteBudgetTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_mail_larger_than_the_budget_goes_alone_and_in_its_turn()
    {
        var budget = new ByteBudget(100);
        var first = await budget.TakeAsync(1, Cancel);
        var large = budget.TakeAsync(1000, Cancel).AsTask();
        var small = budget.TakeAsync(1, Cancel).AsTask();
        Assert.False(large.IsCompleted);
        Assert.False(small.IsCompleted);
        first.Dispose();
        var alone = await large;
        Assert.False(small.IsCompleted);
        alone.Dispose();
        (await small).Dispose();
    }

    [Fact]
    public async Task One_that_gave_up_waiting_holds_nobody_up()
    {
        var budget = new ByteBudget(100);
        var first = await budget.TakeAsync(50, Cancel);
        var second = await budget.TakeAsync(50, Cancel);
        using var giveUp = new CancellationTokenSource();
        var large = budget.TakeAsync(100, giveUp.Token).AsTask();
        var small = budget.TakeAsync(50, Cancel).AsTask();
        await giveUp.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => large);
        first.Dispose();
        (await small).Dispose();
        second.Dispose();
    }
}
