using GatewaySecure.Gateway.Jobs;
using GatewaySecure.TestKit;
using Microsoft.Extensions.Logging.Abstractions;

namespace GatewaySecure.Gateway.Tests.Jobs;

/// <summary>The jobs with Quartz and its store in a file.</summary>
public sealed class JobSchedulerTests : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private readonly TempDirectory _folder = new();
    private int _runs;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_job_runs_at_its_first_time_and_again_when_its_report_says()
    {
        await using var jobs = await OpenAsync();
        var thrice = new TaskCompletionSource();
        await jobs.AddAsync(
            Job("often", TimeSpan.FromHours(1), TimeSpan.Zero, _ =>
            {
                if (Interlocked.Increment(ref _runs) == 3)
                    thrice.SetResult();
                return new JobReport($"run {_runs}", Next: DateTimeOffset.UtcNow.AddMilliseconds(100));
            }),
            Token);
        await jobs.StartAsync(Token);
        await thrice.Task.WaitAsync(s_patience, Token);
    }

    [Fact]
    public async Task What_came_of_it_and_its_next_time_outlive_a_restart()
    {
        var next = DateTimeOffset.UtcNow.AddHours(5);
        await using (var jobs = await OpenAsync())
        {
            await jobs.AddAsync(Job("rare", TimeSpan.FromHours(6), TimeSpan.FromHours(1), _ => new JobReport("It went well.", Next: next)), Token);
            await jobs.StartAsync(Token);
            Assert.Equal("It went well.", (await jobs.RunAsync("rare", Token))!.Text);
        }
        await using var again = await OpenAsync();
        await again.AddAsync(Job("rare", TimeSpan.FromHours(6), TimeSpan.Zero, _ => throw new InvalidOperationException("It must not run.")), Token);
        await again.StartAsync(Token);
        var status = Assert.Single(await again.ListAsync(Token));
        Assert.Equal("It went well.", status.LastText);
        Assert.True(status.LastSucceeded);
        Assert.InRange(status.Next!.Value, next.AddSeconds(-2), next.AddSeconds(2));
    }

    [Fact]
    public async Task A_job_that_fails_is_told_of_and_counted_and_runs_again()
    {
        await using var jobs = await OpenAsync();
        await jobs.AddAsync(Job("bad", TimeSpan.FromHours(1), TimeSpan.FromHours(1), _ => throw new IOException("No disk.")), Token);
        await jobs.StartAsync(Token);
        for (var i = 1; i <= 2; i++)
            Assert.False((await jobs.RunAsync("bad", Token))!.Succeeded);
        var status = Assert.Single(await jobs.ListAsync(Token));
        Assert.Equal(2, status.Failures);
        Assert.Equal("It failed: No disk.", status.LastText);
        Assert.NotNull(status.Next);
    }

    [Fact]
    public async Task A_paused_job_stays_paused_over_a_restart_and_runs_when_it_is_told_to()
    {
        JobReport Count(CancellationToken _) => new($"run {Interlocked.Increment(ref _runs)}");
        await using (var jobs = await OpenAsync())
        {
            await jobs.AddAsync(Job("some", TimeSpan.FromSeconds(1), TimeSpan.FromHours(1), Count), Token);
            Assert.True(await jobs.PauseAsync("some", Token));
            Assert.False(await jobs.PauseAsync("none", Token));
        }
        await using var again = await OpenAsync();
        await again.AddAsync(Job("some", TimeSpan.FromHours(1), TimeSpan.Zero, Count), Token);
        await again.StartAsync(Token);
        Assert.Equal("run 1", (await again.RunAsync("some", Token))!.Text);
        Assert.True(Assert.Single(await again.ListAsync(Token)).IsPaused);
        Assert.True(await again.ResumeAsync("some", Token));
        Assert.False(Assert.Single(await again.ListAsync(Token)).IsPaused);
    }

    [Fact]
    public async Task A_job_that_nobody_adds_any_more_is_forgotten()
    {
        await using (var jobs = await OpenAsync())
        {
            await jobs.AddAsync(Job("old", TimeSpan.FromHours(1), TimeSpan.FromHours(1), _ => new JobReport("Long ago.")), Token);
            await jobs.StartAsync(Token);
            await jobs.RunAsync("old", Token);
        }
        await using (var later = await OpenAsync())
            await later.ForgetOthersAsync(Token);
        await using var again = await OpenAsync();
        await again.AddAsync(Job("old", TimeSpan.FromHours(1), TimeSpan.FromHours(1), _ => new JobReport("")), Token);
        Assert.Null(Assert.Single(await again.ListAsync(Token)).LastText);
    }

    [Fact]
    public async Task A_stop_ends_what_runs_and_a_damaged_store_is_told_with_what_to_do()
    {
        var begun = new TaskCompletionSource();
        var jobs = await OpenAsync();
        await jobs.AddAsync(
            new ScheduledJob("long", "", TimeSpan.FromHours(1), TimeSpan.Zero, async token =>
            {
                begun.SetResult();
                await Task.Delay(Timeout.Infinite, token);
                return new JobReport("");
            }),
            Token);
        await jobs.StartAsync(Token);
        await begun.Task.WaitAsync(s_patience, Token);
        await jobs.DisposeAsync().AsTask().WaitAsync(s_patience, Token);
        await File.WriteAllTextAsync(_folder["jobs.db"], "This is no database, whatever its name says. It is long enough to be looked at as one.", Token);
        Assert.Contains("remove it", (await Assert.ThrowsAsync<IOException>(OpenAndStartAsync)).Message, StringComparison.Ordinal);
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private async Task OpenAndStartAsync()
    {
        await using var jobs = await OpenAsync();
        await jobs.StartAsync(Token);
    }

    private Task<JobScheduler> OpenAsync() => JobScheduler.OpenAsync(_folder["jobs.db"], TimeProvider.System, NullLogger.Instance, Token);

    private static ScheduledJob Job(string name, TimeSpan interval, TimeSpan first, Func<CancellationToken, JobReport> run) =>
        new(name, "For a test.", interval, first, token => Task.FromResult(run(token)));
}
