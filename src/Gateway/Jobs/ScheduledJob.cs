namespace GatewaySecure.Gateway.Jobs;

/// <summary>What one run did.</summary>
/// <param name="Text">One plain sentence.</param>
/// <param name="Next">When to run next; null: after the job's interval.</param>
internal sealed record JobReport(string Text, bool Succeeded = true, DateTimeOffset? Next = null);

/// <summary>Something that is done again and again, never twice at once.</summary>
/// <param name="Name">Stable: what is known of a job is kept by its name.</param>
/// <param name="First">After it is known for the first time; later its time is kept over restarts.</param>
internal sealed record ScheduledJob(string Name, string Description, TimeSpan Interval, TimeSpan First, Func<CancellationToken, Task<JobReport>> RunAsync);

/// <summary>How a job stands.</summary>
/// <param name="LastText">What the last run said; null: it has not run yet.</param>
internal sealed record JobStatus(
    string Name, string Description, TimeSpan Interval, DateTimeOffset? Next, bool IsPaused, bool IsRunning, DateTimeOffset? LastRun, bool? LastSucceeded,
    string? LastText, int Failures);
