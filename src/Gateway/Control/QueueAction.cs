using System.Collections.Immutable;
using GatewaySecure.Gateway.Reports;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Policies;

namespace GatewaySecure.Gateway.Control;

/// <summary>What a person may do with mail in the queue. Used on a mail that nobody else works on.</summary>
internal abstract class QueueAction(QueueParts parts, Operator by)
{
    /// <summary>Of the action, for the audit.</summary>
    protected abstract string Name { get; }

    /// <summary>Such as <c>held</c>.</summary>
    public abstract string Past { get; }

    protected QueueParts Parts => parts;

    protected Operator By => by;

    /// <exception cref="ControlException">It lacks something.</exception>
    public static QueueAction Of(ControlRequest request, QueueParts parts, Operator by)
    {
        if (request.Method is not null && request.Verb != ControlVerb.Release)
            throw new ControlException("Only release takes a method.");
        return request.Verb switch
        {
            ControlVerb.Hold => new HoldAction(parts, by),
            ControlVerb.Release => new ReleaseAction(parts, by, request.Method),
            ControlVerb.Retry => new RetryAction(parts, by),
            ControlVerb.Delete => new DeleteAction(parts, by),
            ControlVerb.Bounce => new BounceAction(parts, by),
            _ => throw new ControlException("This gateway does not know that command."),
        };
    }

    /// <summary>Whether it can be done for a recipient that is not done. Changes nothing.</summary>
    public abstract Verdict Judge(SpooledMail item, int index);

    /// <summary>Stands in the audit, then is done, then is durable.</summary>
    /// <exception cref="IOException">It could not be written.</exception>
    public Task CarryOutAsync(SpooledMail item, ImmutableArray<int> indexes)
    {
        var detail = string.Join(", ", indexes.Select(i => $"{item.Mail.Envelope.Recipients[i].Address}: {Judge(item, i).Text}"));
        return Parts.CarryOutAsync(By, Name, item, detail, () => ChangeAsync(item, indexes));
    }

    protected abstract ValueTask ChangeAsync(SpooledMail item, ImmutableArray<int> indexes);

    protected static ValueTask RecordAsync(SpooledMail item, ImmutableArray<int> indexes, Func<RecipientStatus, RecipientStatus> change) =>
        item.RecordAsync([.. indexes.Select(i => (i, change(item.Status[i])))], durable: true, CancellationToken.None);

    /// <summary>Held until a person says otherwise.</summary>
    protected static bool IsHeldForPerson(RecipientStatus status) => status is { State: RecipientState.Held, NextAttempt: null };
}

/// <summary>Nothing is sent and nothing is tried until it is released.</summary>
internal sealed class HoldAction(QueueParts parts, Operator by) : QueueAction(parts, by)
{
    public override string Past => "held";

    protected override string Name => "hold";

    public override Verdict Judge(SpooledMail item, int index) =>
        IsHeldForPerson(item.Status[index]) ? Verdict.No("is held for a person already") : Verdict.Yes("held until it is released");

    protected override ValueTask ChangeAsync(SpooledMail item, ImmutableArray<int> indexes) => RecordAsync(item, indexes, s => s with
    {
        State = RecipientState.Held,
        NextAttempt = null,
        Reason = $"held by {By.Description}" + (s.Reason is null ? "" : $"; before: {s.Reason}"),
    });
}

/// <summary>
/// Lets held mail go on with the decision it has: what its rule demands is still demanded. What a rule holds for a person has no method
/// yet: whoever releases it says which, and it is never less than the rules behind that one demand.
/// </summary>
internal sealed class ReleaseAction(QueueParts parts, Operator by, ProtectionMethod? method) : QueueAction(parts, by)
{
    private readonly ProtectionMethod? _method = method is null || Enum.IsDefined(method.Value)
        ? method
        : throw new ControlException("A method is normal, ca or kdc.");

    public override string Past => "released";

    protected override string Name => "release";

    public override Verdict Judge(SpooledMail item, int index)
    {
        var (status, decision) = (item.Status[index], item.Decisions[index]);
        if (status.State != RecipientState.Held)
            return Verdict.No("is not held");
        if (status.MayExpire)
            return Verdict.Yes("what it waits for is asked now; without it, it stays held");
        if (status.NextAttempt is not null)
            return Verdict.Yes($"protection ({decision.Shown()}) is tried now; without it, it stays held");
        if (decision.Action != DecisionAction.Hold)
            return Verdict.Yes($"goes on as decided: {decision.Shown()}");

        var demanded = Parts.NeedRules().DecideWithoutHolds(item, index);
        if (demanded.Action == DecisionAction.Reject)
            return Verdict.No($"without the hold, {demanded.Reason} refuses it: bounce or delete it");
        if (_method is not { } method)
            return Verdict.No($"is held by rule '{decision.Rule}'; say with --method how it is to be protected (at least {demanded.Shown()}, by {demanded.Reason})");
        return RuleOutcome.Protect(method).IsAtLeast(demanded.ToOutcome())
            ? Verdict.Yes($"goes as {Word(method)}, vouched for by {By.Description}")
            : Verdict.No($"{Word(method)} is less than {demanded.Shown()}, which {demanded.Reason} demands");
    }

    protected override ValueTask ChangeAsync(SpooledMail item, ImmutableArray<int> indexes)
    {
        var decisions = indexes
            .Where(i => item.Decisions[i].Action == DecisionAction.Hold)
            .Select(i => (i, item.Decisions[i] with
            {
                Action = DecisionAction.Protect,
                Methods = [_method!.Value],
                WhenUnavailable = WhenUnavailable.Hold,
                PolicyVersion = Parts.NeedRules().Version,
                Reason = $"{item.Decisions[i].Reason}; released as {Word(_method.Value)} by {By.Description}",
            }));
        var changes = indexes.Select(i => (i, item.Status[i] switch
        {
            // Waits for its protection: stays held, and does not expire, until that can be had.
            { NextAttempt: not null } waits => waits with { NextAttempt = Parts.Time.GetUtcNow() },
            var held => held with { State = RecipientState.Queued, Reason = $"released by {By.Description}", ReleasedAt = item.Age },
        }));
        return item.DecideAsync([.. decisions], [.. changes], CancellationToken.None);
    }

    private static string Word(ProtectionMethod method) => method.ToString().ToLowerInvariant();
}

/// <summary>Tries at once what waits for its next attempt.</summary>
internal sealed class RetryAction(QueueParts parts, Operator by) : QueueAction(parts, by)
{
    public override string Past => "tried again now";

    protected override string Name => "retry";

    public override Verdict Judge(SpooledMail item, int index) =>
        IsHeldForPerson(item.Status[index]) ? Verdict.No("is held: release it") : Verdict.Yes("tried again now");

    protected override ValueTask ChangeAsync(SpooledMail item, ImmutableArray<int> indexes) => RecordAsync(
        item, indexes, s => s with { NextAttempt = s.State == RecipientState.Held ? Parts.Time.GetUtcNow() : null });
}

/// <summary>Removes mail; nobody is told.</summary>
internal sealed class DeleteAction(QueueParts parts, Operator by) : QueueAction(parts, by)
{
    public override string Past => "deleted";

    protected override string Name => "delete";

    public override Verdict Judge(SpooledMail item, int index) => Verdict.Yes("deleted, and nobody is told");

    protected override ValueTask ChangeAsync(SpooledMail item, ImmutableArray<int> indexes) => RecordAsync(
        item, indexes, s => s with { State = RecipientState.Deleted, NextAttempt = null, Reason = $"deleted by {By.Description}" });
}

/// <summary>Gives mail up: the sender gets a report, as far as he wants one.</summary>
internal sealed class BounceAction : QueueAction
{
    /// <exception cref="ControlException">There is no configuration.</exception>
    public BounceAction(QueueParts parts, Operator by)
        : base(parts, by) => parts.NeedRules();

    public override string Past => "returned";

    protected override string Name => "bounce";

    public override Verdict Judge(SpooledMail item, int index) => Verdict.Yes("given up, and reported to the sender if he wants that");

    protected override async ValueTask ChangeAsync(SpooledMail item, ImmutableArray<int> indexes)
    {
        // The report is committed before the original may forget the recipients it is about.
        const string reason = "returned by the administrator of this gateway";
        await Parts.Reporter!.ReportAsync(item, [.. indexes.Select(i => new RecipientReport(i, ReportKind.Failed, reason))], CancellationToken.None);
        await RecordAsync(item, indexes, s => s with { State = RecipientState.Failed, NextAttempt = null, Reason = $"returned by {By.Description}" });
    }
}
