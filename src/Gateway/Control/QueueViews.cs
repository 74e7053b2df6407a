using System.Collections.Immutable;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Policies;

namespace GatewaySecure.Gateway.Control;

/// <summary>What is told of the queue; changes nothing.</summary>
internal static class QueueViews
{
    /// <summary>Of the summary's columns; what is older than the last has a column of its own.</summary>
    public static ImmutableArray<TimeSpan> AgeLimits { get; } =
    [
        TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(15), TimeSpan.FromHours(1), TimeSpan.FromHours(4),
        TimeSpan.FromDays(1), TimeSpan.FromDays(2), TimeSpan.FromDays(5),
    ];

    public static QueueLine Line(SpooledMail item, int index, Func<MailAddress, string?> nextHopOf)
    {
        var (status, decision, recipient) = (item.Status[index], item.Decisions[index], item.Mail.Envelope.Recipients[index].Address);
        var first = item.Mail.Decisions[index];
        return new QueueLine
        {
            Id = item.Id.ToString(),
            Accepted = item.Mail.AcceptedAt,
            Size = item.Content.Length,
            Peer = item.Mail.Session.Describe(),
            RemovedFields = item.Mail.RemovedFields,
            Sender = item.Mail.Envelope.Sender?.ToString() ?? "<>",
            Recipient = recipient.ToString(),
            State = status.State,
            Attempts = status.Attempts,
            NextAttempt = status.NextAttempt,
            Reason = status.Reason,
            Rule = decision.Rule,
            Decision = decision.Reason,
            Methods = decision.Methods,
            FirstDecision = ReferenceEquals(first, decision) ? null : first.Reason,
            NextHop = nextHopOf(recipient),
        };
    }

    /// <summary>The domains with most mail first.</summary>
    public static IEnumerable<SummaryRow> Summarise(IEnumerable<(SpooledMail Item, int Index)> recipients, DateTimeOffset now)
    {
        var counts = new Dictionary<string, (int Held, int[] ByAge)>(StringComparer.Ordinal);
        foreach (var (item, index) in recipients)
        {
            var domain = item.Mail.Envelope.Recipients[index].Address.Domain.Ascii;
            if (!counts.TryGetValue(domain, out var count))
                count = (0, new int[AgeLimits.Length + 1]);
            var age = now - item.Mail.AcceptedAt;
            var column = AgeLimits.TakeWhile(limit => age >= limit).Count();
            count.ByAge[column]++;
            counts[domain] = (count.Held + (item.Status[index].State == RecipientState.Held ? 1 : 0), count.ByAge);
        }
        return counts
            .Select(c => new SummaryRow(c.Key, c.Value.ByAge.Sum(), c.Value.Held, [.. c.Value.ByAge]))
            .OrderByDescending(r => r.Total)
            .ThenBy(r => r.Domain, StringComparer.Ordinal);
    }

    /// <summary>A decision in the words of rules.</summary>
    public static string Shown(this Decision decision) => decision.Action switch
    {
        DecisionAction.Reject => "reject",
        DecisionAction.Hold => "hold",
        _ => string.Join(", else ", decision.Methods.Select(m => m.ToString().ToLowerInvariant())),
    };
}
