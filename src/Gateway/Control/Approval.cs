using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using GatewaySecure.Gateway.Spool;

namespace GatewaySecure.Gateway.Control;

/// <summary>
/// The second person agrees to less protection. It holds for exactly what was asked: a recipient whose decision is another one by now, or
/// for whom the rules in force say something else than they said then, stays as he is.
/// </summary>
internal sealed class Approval(QueueParts parts, Operator by, bool dryRun)
{
    private readonly QueueRules _rules = parts.NeedRules();

    public async IAsyncEnumerable<ControlReply> RunAsync(string? id, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var request = parts.Requests.Require(id);
        if (!by.IsCertainlyNot(request.By))
            throw new ControlException($"{request.By.Description} asked for this. Another person has to approve it, who is logged in as another user; you are {by.Description}.");
        using var claim = dryRun ? null : parts.Requests.Claim(request);
        if (!dryRun)
            await parts.AuditAsync(by, "lowering.approve", request.Id, $"asked by {request.By.Description}");

        var (mails, recipients, failed, gone) = (new HashSet<string>(StringComparer.Ordinal), 0, 0, 0);
        foreach (var mail in request.Lowerings.GroupBy(l => l.Mail))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (!QueueId.TryParse(mail.Key, out var queueId) || parts.Items.Find(queueId) is not { } item)
            {
                gone += mail.Count();
                continue;
            }
            foreach (var line in await ApplyAsync(item, request, [.. mail]))
            {
                if (line.Failed)
                    failed++;
                else
                {
                    mails.Add(line.Id);
                    recipients++;
                }
                yield return new ControlReply { Line = line };
            }
        }
        // Only now: what a crash leaves undone can still be approved.
        if (!dryRun && failed == 0)
            parts.Requests.Remove(request);
        yield return QueueControl.Done(
            mails.Count,
            recipients,
            failed,
            $"{QueueControl.Count(mails.Count, recipients)} {(dryRun ? "would get" : "get")} less protection, as {request.By.Description} asked."
                + (gone > 0 ? $" {gone} are done already." : "") + (failed > 0 ? $" {failed} stay as they are." : ""));
    }

    private async Task<IReadOnlyList<QueueLine>> ApplyAsync(SpooledMail found, LoweringRequest request, ImmutableArray<Lowering> lowerings)
    {
        var verdicts = lowerings.ToDictionary(l => l, _ => Verdict.Yes(""));
        var item = found;
        var problem = await QueueParts.TryAsync(async () =>
        {
            if (dryRun)
            {
                Check();
                return;
            }
            await using var owned = await parts.Items.OwnAsync(found, CancellationToken.None)
                ?? throw new IOException("is being delivered at this moment; approve again");
            item = owned.Item;
            var agreed = Check();
            if (agreed.IsEmpty)
                return;
            var detail = $"{string.Join(", ", agreed.Select(l => l.Shown))}; request {request.Id} by {request.By.Description}";
            await parts.CarryOutAsync(by, "lower", item, detail, () => item.DecideAsync(
                [.. agreed.Select(l => (l.Index, l.To with { Reason = $"{l.To.Reason}; lowered by {request.By.Description} and {by.Description}" }))],
                [.. agreed.Select(l => (l.Index, Redecision.StatusUnder(item, l.Index, l.To, parts.Time.GetUtcNow())))],
                CancellationToken.None));
        });
        return [.. lowerings
            .Where(l => l.Index < item.Status.Length)
            .Select(l => QueueViews.Line(item, l.Index, parts.NextHopOf) with
            {
                Outcome = problem ?? verdicts[l].Text,
                Failed = problem is not null || !verdicts[l].IsPossible,
            })];

        ImmutableArray<Lowering> Check()
        {
            var headers = _rules.HeadersOf(item);
            foreach (var lowering in lowerings)
                verdicts[lowering] = Judge(item, lowering, headers);
            return [.. lowerings.Where(l => verdicts[l].IsPossible)];
        }
    }

    private Verdict Judge(SpooledMail item, Lowering lowering, ImmutableArray<Policies.HeaderFact> headers)
    {
        if ((uint)lowering.Index >= (uint)item.Status.Length || item.Status[lowering.Index].IsFinal)
            return Verdict.No("is done already");
        var current = item.Decisions[lowering.Index];
        if (current.Reason != lowering.From.Reason || !current.ToOutcome().IsSameAs(lowering.From.ToOutcome()))
            return Verdict.No("was decided again since; ask again");
        var now = _rules.Decide(item, lowering.Index, headers);
        if (now.Reason != lowering.To.Reason || !now.ToOutcome().IsSameAs(lowering.To.ToOutcome()))
            return Verdict.No("the rules in force say something else than when this was asked; ask again");
        return Verdict.Yes($"{lowering.To.Shown()} by {lowering.To.Reason}; before: {lowering.From.Shown()}");
    }
}
