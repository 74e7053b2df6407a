using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Policies;

namespace GatewaySecure.Gateway.Control;

/// <summary>
/// Decides mail again under the rules in force. What gets no less protection than before changes at once; what would get less becomes a
/// request that a second person has to approve.
/// </summary>
internal sealed class Redecision(QueueParts parts, Operator by, bool dryRun)
{
    private readonly QueueRules _rules = parts.NeedRules();
    private readonly ConcurrentBag<Lowering> _lowerings = [];
    private int _unchanged;

    public async IAsyncEnumerable<ControlReply> RunAsync(
        IEnumerable<SpooledMail> items, QueueMatcher matcher, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var (mails, raised, failed) = (new HashSet<string>(StringComparer.Ordinal), 0, 0);
        var lowered = new HashSet<string>(StringComparer.Ordinal);
        await foreach (var line in QueueControl.InParallelAsync(
            items.Where(i => matcher.Matches(i).Any()), item => DecideAsync(item, matcher), cancellationToken))
        {
            if (line.Failed)
                failed++;
            else if (line.Outcome!.StartsWith(Lowers, StringComparison.Ordinal))
                lowered.Add(line.Id);
            else
            {
                mails.Add(line.Id);
                raised++;
            }
            yield return new ControlReply { Line = line };
        }
        if (_lowerings.Count > LoweringRequests.MaxLowerings)
            throw new ControlException($"{_lowerings.Count} recipients would get less protection; one request takes {LoweringRequests.MaxLowerings}. Narrow the filter.");

        var text = $"Policy version {_rules.Version}: {QueueControl.Count(mails.Count, raised)} {(dryRun ? "would be " : "")}raised, {_unchanged} recipients as before"
            + (failed > 0 ? $", {failed} could not be decided." : ".");
        if (!_lowerings.IsEmpty)
        {
            text += $" {QueueControl.Count(lowered.Count, _lowerings.Count)} would get less protection, which needs a second person.";
            if (!dryRun)
                yield return new ControlReply { Request = await AskAsync() };
        }
        yield return QueueControl.Done(mails.Count, raised, failed, text);
    }

    private const string Lowers = "less: ";

    /// <summary>What a new decision makes of a recipient's status.</summary>
    public static RecipientStatus StatusUnder(SpooledMail item, int index, Decision decision, DateTimeOffset now)
    {
        var status = item.Status[index];
        if (decision.Action == DecisionAction.Hold)
            return status with { State = RecipientState.Held, NextAttempt = null, Reason = $"held by {decision.Reason}" };
        return status switch
        {
            { State: RecipientState.Held, NextAttempt: null } => item.Decisions[index].Action == DecisionAction.Hold
                // It was its rule that held it.
                ? status with { State = RecipientState.Queued, ReleasedAt = item.Age }
                : status,
            { State: RecipientState.Held } => status with { NextAttempt = now },
            _ => decision.Action == DecisionAction.Reject ? status with { NextAttempt = null } : status,
        };
    }

    private async Task<IReadOnlyList<QueueLine>> DecideAsync(SpooledMail found, QueueMatcher matcher)
    {
        var lines = new List<QueueLine>();
        var problem = await QueueParts.TryAsync(async () =>
        {
            if (dryRun)
            {
                Judge(found, matcher, lines, count: true);
                return;
            }
            // Most mail stays as it is, and need not be taken away from a delivery for that.
            if (Judge(found, matcher, lines, count: true).IsEmpty)
                return;
            lines.Clear();
            await using var owned = await parts.Items.OwnAsync(found, CancellationToken.None)
                ?? throw new IOException("is being delivered at this moment; ask again");
            var item = owned.Item;
            var raised = Judge(item, matcher, lines, count: false);
            if (raised.IsEmpty)
                return;
            await parts.CarryOutAsync(by, "redecide", item, string.Join(", ", raised.Select(r => r.Shown)), () => item.DecideAsync(
                [.. raised.Select(r => (r.Index, r.To))],
                [.. raised.Select(r => (r.Index, StatusUnder(item, r.Index, r.To, parts.Time.GetUtcNow())))],
                CancellationToken.None));
        });
        if (problem is null)
            return lines;
        return [.. matcher.Matches(found).Select(i => QueueViews.Line(found, i, parts.NextHopOf) with { Outcome = problem, Failed = true })];
    }

    /// <summary>Those that get no less than before; those that would get less are noted.</summary>
    private ImmutableArray<Lowering> Judge(SpooledMail item, QueueMatcher matcher, List<QueueLine> lines, bool count)
    {
        var headers = _rules.HeadersOf(item);
        var raised = ImmutableArray.CreateBuilder<Lowering>();
        foreach (var index in matcher.Matches(item))
        {
            var (old, now) = (item.Decisions[index], _rules.Decide(item, index, headers));
            if (old.ToOutcome().IsSameAs(now.ToOutcome()))
            {
                if (count)
                    Interlocked.Increment(ref _unchanged);
                continue;
            }
            var line = QueueViews.Line(item, index, parts.NextHopOf);
            var change = new Lowering(line.Id, index, line.Sender, line.Recipient, old, now);
            if (now.ToOutcome().IsAtLeast(old.ToOutcome()))
            {
                raised.Add(change);
                lines.Add(line with { Outcome = $"{now.Shown()} by {now.Reason}; before: {old.Shown()}" });
            }
            else
            {
                if (count)
                    _lowerings.Add(change);
                lines.Add(line with { Outcome = $"{Lowers}{now.Shown()} by {now.Reason}; now: {old.Shown()}" });
            }
        }
        return raised.ToImmutable();
    }

    private async Task<LoweringRequest> AskAsync()
    {
        var id = QueueId.Create(parts.Time.GetUtcNow()).ToString();
        var lowerings = _lowerings.OrderBy(l => l.Mail, StringComparer.Ordinal).ThenBy(l => l.Index).ToImmutableArray();
        await parts.AuditAsync(by, "lowering.ask", id, string.Join("; ", lowerings.Select(l => $"{l.Mail} {l.Shown}")));
        return parts.Requests.Add(by, _rules.Version, lowerings, id);
    }
}
