using System.Runtime.CompilerServices;
using GatewaySecure.Gateway.Jobs;
using GatewaySecure.KdcCore;

namespace GatewaySecure.Gateway.Control;

/// <summary>Answers what people ask of the jobs and does what they command; what is done stands in the audit.</summary>
internal sealed class JobControl(JobScheduler jobs, IAuditChain audit, TimeProvider time)
{
    /// <exception cref="ControlException">There is no such job.</exception>
    public async IAsyncEnumerable<ControlReply> RunAsync(
        ControlRequest request, Operator by, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var all = await jobs.ListAsync(cancellationToken);
        var matching = all.Where(j => Matches(request.Job, j.Name)).ToArray();
        if (matching.Length == 0 && request.Job is not (null or "*"))
            throw new ControlException($"There is no job '{request.Job}'. 'gateway jobs list' shows their names.");
        var failed = 0;
        foreach (var job in matching)
        {
            var status = job;
            if (request.Verb != ControlVerb.Jobs)
            {
                var succeeded = await CarryOutAsync(request.Verb, job.Name, by, cancellationToken);
                failed += succeeded ? 0 : 1;
                status = (await jobs.ListAsync(cancellationToken)).FirstOrDefault(j => j.Name == job.Name) ?? job;
            }
            yield return new ControlReply { Job = status };
        }
        yield return new ControlReply { Done = new ControlDone(matching.Length, 0, failed, Sentence(request.Verb, matching.Length, failed)) };
    }

    private async Task<bool> CarryOutAsync(ControlVerb verb, string name, Operator by, CancellationToken cancellationToken)
    {
        var action = verb switch { ControlVerb.RunJob => "run", ControlVerb.PauseJob => "pause", _ => "resume" };
        await audit.AppendAsync(new AuditEntry(new AuditEvent(time.GetUtcNow(), $"job.{action}", by.Description, name, "")), CancellationToken.None);
        return verb switch
        {
            ControlVerb.RunJob => await jobs.RunAsync(name, cancellationToken) is { Succeeded: true },
            ControlVerb.PauseJob => await jobs.PauseAsync(name, cancellationToken),
            _ => await jobs.ResumeAsync(name, cancellationToken),
        };
    }

    private static bool Matches(string? pattern, string name) => pattern switch
    {
        null => true,
        _ when pattern.EndsWith('*') => name.StartsWith(pattern[..^1], StringComparison.Ordinal),
        _ => name == pattern,
    };

    private static string Sentence(ControlVerb verb, int count, int failed) => verb switch
    {
        ControlVerb.Jobs => count == 0 ? "There are no jobs." : "",
        ControlVerb.RunJob => count == 0 ? "There is none to run." : failed == 0 ? $"{count} ran." : $"{count} ran, {failed} of them without success.",
        ControlVerb.PauseJob => $"{count} paused: they run when they are resumed, or when they are told to run.",
        _ => $"{count} resumed.",
    };
}

/// <summary>Whom a request goes to.</summary>
internal sealed class GatewayControl(QueueControl queue, JobControl jobs)
{
    /// <exception cref="ControlException">It can't be carried out as it was given.</exception>
    public IAsyncEnumerable<ControlReply> RunAsync(ControlRequest request, Operator by, CancellationToken cancellationToken) =>
        request.Verb is ControlVerb.Jobs or ControlVerb.RunJob or ControlVerb.PauseJob or ControlVerb.ResumeJob
            ? jobs.RunAsync(request, by, cancellationToken)
            : queue.RunAsync(request, by, cancellationToken);
}
