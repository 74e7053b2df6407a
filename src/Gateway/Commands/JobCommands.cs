using System.CommandLine;
using System.Text.Json;
using GatewaySecure.Gateway.Control;
using GatewaySecure.Gateway.Hosting;
using GatewaySecure.Gateway.Jobs;

namespace GatewaySecure.Gateway.Commands;

/// <summary><c>gateway jobs</c>: what the running gateway does by itself, and when.</summary>
internal static class JobCommands
{
    public static Command Create() => new("jobs", """
        What the running gateway does by itself: fetches revocation lists, looks over certificates, keeps policies of other domains. See docs/jobs.md.
        """)
    {
        List(),
        Act(ControlVerb.RunJob, "run", """
            Runs a job now and waits for its end; its next time stays planned as after any run.

            Examples:
              gateway jobs run certificates
              gateway jobs run 'crl *'
            """),
        Act(ControlVerb.PauseJob, "pause", """
            Keeps a job from running by itself, also over restarts, until it is resumed.

            Example:
              gateway jobs pause ocsp
            """),
        Act(ControlVerb.ResumeJob, "resume", """
            Lets a paused job run at its times again.

            Example:
              gateway jobs resume ocsp
            """),
    };

    /// <summary>Asks the running gateway; prints each job as it is told.</summary>
    public static async Task<int> AskAsync(string state, ControlRequest request, bool json, CancellationToken cancellationToken)
    {
        using var client = await ControlClient.TryConnectAsync(StateDirectory.At(state).ControlSocket, cancellationToken);
        if (client is null)
        {
            await Console.Error.WriteLineAsync($"No gateway runs on {state}: jobs run in it. Start it with 'gateway run', or name its state with --state.");
            return ExitCode.Problem;
        }
        var jobs = new List<JobStatus>();
        ControlDone? done = null;
        try
        {
            await foreach (var reply in client.AskAsync(request, cancellationToken))
            {
                if (reply.Problem is { } problem)
                {
                    await Console.Error.WriteLineAsync(problem);
                    return ExitCode.Problem;
                }
                done = reply.Done ?? done;
                if (reply.Job is not { } job)
                    continue;
                jobs.Add(job);
                if (!json)
                    Print(job);
            }
        }
        catch (IOException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return ExitCode.Problem;
        }
        if (json)
            Console.WriteLine(JsonSerializer.Serialize(jobs, CommonOptions.Json));
        if (done is { Text.Length: > 0 })
            await (json ? Console.Error : Console.Out).WriteLineAsync(done.Text);
        return done is { Failed: 0 } ? ExitCode.Success : ExitCode.Problem;
    }

    private static Command List()
    {
        var (state, json) = (CommonOptions.State(), CommonOptions.AsJson());
        var command = new Command("list", """
            Lists the jobs: when each runs next, when it ran last, and what came of it.

            Examples:
              gateway jobs list --state /var/lib/gatewaysecure
              gateway jobs list --json
            """)
        { state, json };
        command.SetAction((parsed, ct) => AskAsync(parsed.GetValue(state)!, new ControlRequest { Verb = ControlVerb.Jobs }, parsed.GetValue(json), ct));
        return command;
    }

    private static Command Act(ControlVerb verb, string name, string description)
    {
        var job = new Argument<string>("JOB") { Description = "Its name, or how the names begin and a '*'." };
        var (state, json) = (CommonOptions.State(), CommonOptions.AsJson());
        var command = new Command(name, description) { job, state, json };
        command.SetAction((parsed, ct) =>
            AskAsync(parsed.GetValue(state)!, new ControlRequest { Verb = verb, Job = parsed.GetValue(job) }, parsed.GetValue(json), ct));
        return command;
    }

    private static void Print(JobStatus job)
    {
        var next = job.IsRunning ? "runs now" : job.IsPaused ? "paused" : $"next {CommonOptions.Time(job.Next, "never")}";
        Console.WriteLine($"{job.Name}: {next}{(job.Failures > 1 ? $", failed {job.Failures} times" : "")}");
        Console.WriteLine(job.LastRun is { } last ? $"  {CommonOptions.Time(last)} {(job.LastSucceeded == true ? "" : "PROBLEM: ")}{job.LastText}" : $"  {job.Description} It has not run yet.");
    }
}
