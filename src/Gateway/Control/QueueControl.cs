using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Spool;

namespace GatewaySecure.Gateway.Control;

/// <summary>
/// Answers what people ask of the queue and does what they command, the same way in the running gateway and beside a stopped one. What is
/// done stands in the audit and is durable before it is told.
/// </summary>
internal sealed class QueueControl(QueueParts parts)
{
    /// <summary>Mails that are changed at once: their flushes to disk share each other's time.</summary>
    private const int Width = 16;

    /// <exception cref="ControlException">It can't be carried out as it was given.</exception>
    public IAsyncEnumerable<ControlReply> RunAsync(ControlRequest request, Operator by, CancellationToken cancellationToken)
    {
        if (!request.Filter.NextHop.IsEmpty && parts.Rules is null)
            throw new ControlException("Next hops stand in the configuration. No gateway runs here, so name it with --config.");
        var matcher = new QueueMatcher(request.Filter, parts.NextHopOf, parts.Time.GetUtcNow());
        switch (request.Verb)
        {
            case ControlVerb.List:
                return List(request, matcher).ToAsyncEnumerable();
            case ControlVerb.Summary:
                return Summarise(matcher).ToAsyncEnumerable();
            case ControlVerb.Requests:
                return parts.Requests.List().Select(r => new ControlReply { Request = r }).Append(Done(0, 0, 0, "")).ToAsyncEnumerable();
            case ControlVerb.Approve:
                return new Approval(parts, by, request.DryRun).RunAsync(request.Request, cancellationToken);
            case ControlVerb.Withdraw:
                return new Withdrawal(parts, by).RunAsync(request.Request);
        }
        if (request.Filter.SaysNothing)
            throw new ControlException("Say which mails: ids, a filter such as --recipient, or --all.");
        if (request.Verb == ControlVerb.Redecide)
            return new Redecision(parts, by, request.DryRun).RunAsync(Items(matcher), matcher, cancellationToken);
        var action = QueueAction.Of(request, parts, by);
        return ChangeAsync(action, matcher, request.DryRun, cancellationToken);
    }

    private IEnumerable<ControlReply> List(ControlRequest request, QueueMatcher matcher)
    {
        var (mails, recipients) = (0, 0);
        foreach (var item in Items(matcher))
        {
            var indexes = request.Whole && matcher.Matches(item).Any() ? Enumerable.Range(0, item.Status.Length) : matcher.Matches(item);
            var before = recipients;
            foreach (var index in indexes)
            {
                recipients++;
                yield return new ControlReply { Line = QueueViews.Line(item, index, parts.NextHopOf) };
            }
            mails += recipients > before ? 1 : 0;
        }
        var none = request.Filter.SaysNothing ? "The queue is empty." : "No mail matches.";
        yield return Done(mails, recipients, 0, mails == 0 ? none : $"{Count(mails, recipients)} in the queue.");
    }

    private IEnumerable<ControlReply> Summarise(QueueMatcher matcher)
    {
        var recipients = 0;
        foreach (var row in QueueViews.Summarise(Items(matcher).SelectMany(i => matcher.Matches(i).Select(n => (i, n))), parts.Time.GetUtcNow()))
        {
            recipients += row.Total;
            yield return new ControlReply { Row = row };
        }
        yield return Done(0, recipients, 0, recipients == 0 ? "Nothing waits." : $"{recipients} recipients wait.");
    }

    private IEnumerable<SpooledMail> Items(QueueMatcher matcher) =>
        matcher.Ids.IsEmpty ? parts.Items.All() : matcher.Ids.Distinct().Select(parts.Items.Find).OfType<SpooledMail>();

    private async IAsyncEnumerable<ControlReply> ChangeAsync(
        QueueAction action, QueueMatcher matcher, bool dryRun, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var (mails, recipients, failed) = (new HashSet<string>(StringComparer.Ordinal), 0, 0);
        await foreach (var line in InParallelAsync(
            Items(matcher).Where(i => matcher.Matches(i).Any()), item => ChangeAsync(action, item, matcher, dryRun), cancellationToken))
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
        var text = recipients + failed == 0
            ? "No mail matches."
            : $"{Count(mails.Count, recipients)} {(dryRun ? "would be " : "")}{action.Past}." + (failed > 0 ? $" {failed} could not be." : "");
        yield return Done(mails.Count, recipients, failed, text);
    }

    private async Task<IReadOnlyList<QueueLine>> ChangeAsync(QueueAction action, SpooledMail found, QueueMatcher matcher, bool dryRun)
    {
        if (dryRun)
            return Lines(found, [.. matcher.Matches(found)], i => JudgeOrSay(action, found, i));
        await using var owned = await parts.Items.OwnAsync(found, CancellationToken.None);
        if (owned is null)
            return Lines(found, [.. matcher.Matches(found)], _ => Verdict.No("is being delivered at this moment; ask again"));
        var item = owned.Item;
        // Looked at again: it may have gone on while nobody owned it.
        var verdicts = matcher.Matches(item).ToDictionary(i => i, i => JudgeOrSay(action, item, i));
        var possible = verdicts.Where(v => v.Value.IsPossible).Select(v => v.Key).ToImmutableArray();
        if (!possible.IsEmpty && await QueueParts.TryAsync(() => action.CarryOutAsync(item, possible)) is { } problem)
            return Lines(item, [.. verdicts.Keys], i => possible.Contains(i) ? Verdict.No(problem) : verdicts[i]);
        return Lines(item, [.. verdicts.Keys], i => verdicts[i]);
    }

    private static Verdict JudgeOrSay(QueueAction action, SpooledMail item, int index)
    {
        try
        {
            return action.Judge(item, index);
        }
        catch (Exception e) when (e is IOException or InvalidDataException)
        {
            return Verdict.No(e.Message);
        }
    }

    private List<QueueLine> Lines(SpooledMail item, ImmutableArray<int> indexes, Func<int, Verdict> verdict) =>
        [.. indexes.Select(i => QueueViews.Line(item, i, parts.NextHopOf) with { Outcome = verdict(i).Text, Failed = !verdict(i).IsPossible })];

    /// <summary>In no order. Once a mail was begun it is ended, whatever becomes of the one who asked.</summary>
    internal static async IAsyncEnumerable<QueueLine> InParallelAsync(
        IEnumerable<SpooledMail> items, Func<SpooledMail, Task<IReadOnlyList<QueueLine>>> work, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var lines = Channel.CreateBounded<QueueLine>(256);
        var options = new ParallelOptions { MaxDegreeOfParallelism = Width, CancellationToken = stop.Token };
        var running = Task.Run(async () =>
        {
            try
            {
                await Parallel.ForEachAsync(items, options, async (item, ct) =>
                {
                    foreach (var line in await work(item))
                        await lines.Writer.WriteAsync(line, ct);
                });
                lines.Writer.Complete();
            }
#pragma warning disable CA1031 // Whatever it is, it reaches the reader.
            catch (Exception e)
#pragma warning restore CA1031
            {
                lines.Writer.Complete(e);
            }
        }, CancellationToken.None);
        try
        {
            await foreach (var line in lines.Reader.ReadAllAsync(cancellationToken))
                yield return line;
        }
        finally
        {
            await stop.CancelAsync();
            await running;
        }
    }

    internal static ControlReply Done(int mails, int recipients, int failed, string text) => new() { Done = new ControlDone(mails, recipients, failed, text) };

    internal static string Count(int mails, int recipients) =>
        $"{mails} {(mails == 1 ? "mail" : "mails")} ({recipients} {(recipients == 1 ? "recipient" : "recipients")})";
}

/// <summary>Whether something can be done for one recipient, and what that is or why not.</summary>
internal sealed record Verdict(bool IsPossible, string Text)
{
    public static Verdict Yes(string text) => new(true, text);

    public static Verdict No(string text) => new(false, text);
}
