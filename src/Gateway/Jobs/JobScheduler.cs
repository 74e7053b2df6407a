using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Globalization;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;
using Quartz;

namespace GatewaySecure.Gateway.Jobs;

/// <summary>
/// The gateway's jobs on Quartz, with its store in a file: when each runs next, how the last run went and whether it is paused outlive a restart. What a
/// restart missed runs once, soon after. A run that fails is told of, and the next one comes all the same.
/// </summary>
internal sealed class JobScheduler : IAsyncDisposable
{
    private const string Owner = "owner";

    private readonly IScheduler _quartz;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly ConcurrentDictionary<string, ScheduledJob> _jobs = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, TaskCompletionSource<JobReport>> _awaited = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, bool> _running = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, LastRun> _last = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stop = new();

    private JobScheduler(IScheduler quartz, TimeProvider time, ILogger log)
    {
        (_quartz, _time, _log) = (quartz, time, log);
        quartz.Context[Owner] = this;
    }

    /// <summary>Nothing runs before <see cref="StartAsync"/>.</summary>
    /// <exception cref="IOException">The store can't be opened.</exception>
    public static async Task<JobScheduler> OpenAsync(string database, TimeProvider time, ILogger log, CancellationToken cancellationToken)
    {
        var connection = new SqliteConnectionStringBuilder { DataSource = database, Pooling = false }.ConnectionString;
        try
        {
            var quartz = await QuartzSchedulerBuilder.Create(q => q
                    .UseDefaultThreadPool(4)
                    .UseTimeProvider(time)
                    .UsePersistentStore(store => store.UseSqlite(SqliteFactory.Instance, connection).ProvisionSchema()))
                .BuildScheduler(cancellationToken);
            return new JobScheduler(quartz, time, log);
        }
        catch (Exception e) when (e is SchedulerException or SqliteException)
        {
            throw new IOException($"The jobs' store {database} can't be opened: {e.Message} If it is damaged, remove it: the jobs start anew.", e);
        }
    }

    public async Task StartAsync(CancellationToken cancellationToken) => await _quartz.Start(cancellationToken);

    /// <summary>Knows the job from now on. One that was known before keeps its time.</summary>
    public async Task AddAsync(ScheduledJob job, CancellationToken cancellationToken)
    {
        _jobs[job.Name] = job;
        var key = new JobKey(job.Name);
        if (await _quartz.GetJobDetail(key, cancellationToken) is null)
        {
            var detail = JobBuilder.Create<Run>().WithIdentity(key).StoreDurably().Build();
            await _quartz.AddJob(detail, cancellationToken: cancellationToken);
        }
        var planned = await _quartz.GetTrigger(new TriggerKey(job.Name), cancellationToken);
        // Kept, but where the interval has become shorter since, not beyond it.
        var latest = _time.GetUtcNow() + (planned is null ? job.First : job.Interval);
        if (planned is null || planned.NextFireTimeUtc is not { } next || next > latest)
            await PlanAsync(job.Name, planned is null ? latest : Earlier(planned.NextFireTimeUtc, latest), planned is not null, cancellationToken);
    }

    /// <summary>Jobs that nobody added in this run of the gateway are forgotten, with all that was known of them.</summary>
    public async Task ForgetOthersAsync(CancellationToken cancellationToken)
    {
        foreach (var key in await _quartz.GetJobKeys(GroupMatcher<JobKey>.AnyGroup(), cancellationToken))
        {
            if (!_jobs.ContainsKey(key.Name))
                await _quartz.DeleteJob(key, cancellationToken);
        }
    }

    public async Task RemoveAsync(string name, CancellationToken cancellationToken)
    {
        if (_jobs.TryRemove(name, out _))
            await _quartz.DeleteJob(new JobKey(name), cancellationToken);
    }

    public async Task<ImmutableArray<JobStatus>> ListAsync(CancellationToken cancellationToken)
    {
        var list = ImmutableArray.CreateBuilder<JobStatus>();
        foreach (var job in _jobs.Values.OrderBy(j => j.Name, StringComparer.Ordinal))
        {
            var data = (await _quartz.GetJobDetail(new JobKey(job.Name), cancellationToken))?.JobDataMap;
            var trigger = await _quartz.GetTrigger(new TriggerKey(job.Name), cancellationToken);
            var state = await _quartz.GetTriggerState(new TriggerKey(job.Name), cancellationToken);
            var last = _last.TryGetValue(job.Name, out var known) ? known : LastRun.Read(data);
            list.Add(new(
                job.Name, job.Description, job.Interval, trigger?.NextFireTimeUtc, state == TriggerState.Paused, _running.ContainsKey(job.Name),
                last?.At, last?.Succeeded, last?.Text, last?.Failures ?? 0));
        }
        return list.ToImmutable();
    }

    /// <summary>Runs it now and waits for its end; null where there is no such job.</summary>
    public async Task<JobReport?> RunAsync(string name, CancellationToken cancellationToken)
    {
        if (!_jobs.ContainsKey(name))
            return null;
        var done = _awaited.GetOrAdd(name, _ => new(TaskCreationOptions.RunContinuationsAsynchronously));
        await _quartz.TriggerJob(new JobKey(name), cancellationToken: cancellationToken);
        return await done.Task.WaitAsync(cancellationToken);
    }

    public async Task<bool> PauseAsync(string name, CancellationToken cancellationToken)
    {
        if (!_jobs.ContainsKey(name))
            return false;
        await _quartz.PauseTrigger(new TriggerKey(name), cancellationToken);
        return true;
    }

    public async Task<bool> ResumeAsync(string name, CancellationToken cancellationToken)
    {
        if (!_jobs.ContainsKey(name))
            return false;
        await _quartz.ResumeTrigger(new TriggerKey(name), cancellationToken);
        return true;
    }

    /// <summary>What runs is told to stop and waited for.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _quartz.Shutdown(waitForJobsToComplete: true);
        _stop.Dispose();
    }

    private async Task PlanAsync(string name, DateTimeOffset at, bool replaces, CancellationToken cancellationToken)
    {
        var key = new TriggerKey(name);
        var trigger = TriggerBuilder.Create().WithIdentity(key).ForJob(new JobKey(name)).StartAt(at)
            // The one shot never ends by itself: the next time is set when the run is over, and far ahead until then, should the gateway end in between.
            .WithSimpleSchedule(s => s.WithInterval(TimeSpan.FromHours(1)).RepeatForever().WithMisfireInstruction(SimpleTriggerMisfireInstruction.NowWithExistingCount))
            .Build();
        if (replaces)
            await _quartz.RescheduleJob(key, trigger, cancellationToken);
        else
            await _quartz.ScheduleJob(trigger, cancellationToken: cancellationToken);
    }

    private async Task ExecuteAsync(IJobExecutionContext context)
    {
        var name = context.JobDetail.Key.Name;
        if (!_jobs.TryGetValue(name, out var job))
            return;
        _running[name] = true;
        var report = await RunGuardedAsync(job);
        _running.TryRemove(name, out _);
        var data = context.JobDetail.JobDataMap;
        var last = new LastRun(_time.GetUtcNow(), report.Succeeded, report.Text, report.Succeeded ? 0 : (LastRun.Read(data)?.Failures ?? 0) + 1);
        // Quartz keeps the map when the run is over; who asks meanwhile hears it from here.
        last.Write(data);
        _last[name] = last;
        // A pause is kept: who resumes it starts where it is.
        if (!_stop.IsCancellationRequested && await _quartz.GetTriggerState(new TriggerKey(name), CancellationToken.None) != TriggerState.Paused)
            await PlanAsync(name, report.Next ?? _time.GetUtcNow() + job.Interval, replaces: true, CancellationToken.None);
        if (_awaited.TryRemove(name, out var waiter))
            waiter.TrySetResult(report);
    }

    private async Task<JobReport> RunGuardedAsync(ScheduledJob job)
    {
        try
        {
            var report = await job.RunAsync(_stop.Token);
            if (!report.Succeeded)
                _log.JobReported(job.Name, report.Text);
            return report;
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            return new JobReport("It was cut off, since the gateway stopped.", Succeeded: false);
        }
#pragma warning disable CA1031 // A fault in a job must end neither the gateway nor the job's next run.
        catch (Exception e)
#pragma warning restore CA1031
        {
            _log.JobFailed(job.Name, e);
            return new JobReport($"It failed: {e.Message}", Succeeded: false);
        }
    }

    private static DateTimeOffset Earlier(DateTimeOffset? a, DateTimeOffset b) => a is { } time && time < b ? time : b;

    /// <summary>What is kept of a run, as texts in the job's map.</summary>
    private sealed record LastRun(DateTimeOffset At, bool Succeeded, string Text, int Failures)
    {
        public static LastRun? Read(JobDataMap? data) => Of(data, "at") is { } at && Of(data, "text") is { } text && Of(data, "failures") is { } failures
            ? new(DateTimeOffset.Parse(at, CultureInfo.InvariantCulture), failures == "0", text, int.Parse(failures, CultureInfo.InvariantCulture))
            : null;

        public void Write(JobDataMap data)
        {
            data["at"] = At.ToString("O", CultureInfo.InvariantCulture);
            data["text"] = Text;
            data["failures"] = Failures.ToString(CultureInfo.InvariantCulture);
        }

        private static string? Of(JobDataMap? data, string name) => data is not null && data.TryGetValue(name, out var value) ? value as string : null;
    }

    /// <summary>Quartz's view of every job: its name says which.</summary>
    [PersistJobDataAfterExecution]
    [DisallowConcurrentExecution]
    private sealed class Run : IJob
    {
        public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default) =>
            await ((JobScheduler)context.Scheduler.Context[Owner]!).ExecuteAsync(context);
    }
}
