using System.Collections.Immutable;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Policies;

namespace GatewaySecure.Gateway.Control;

/// <summary>
/// Which mails, and which of their recipients. Of one condition's values any; all conditions must hold. Empty: nothing is said, which is
/// everything for a question and nothing for a command.
/// </summary>
internal sealed record QueueFilter
{
    public ImmutableArray<string> Ids { get => field.IsDefault ? [] : field; init; }

    /// <summary>Patterns as in rules.</summary>
    public ImmutableArray<string> Sender { get => field.IsDefault ? [] : field; init; }

    public ImmutableArray<string> Recipient { get => field.IsDefault ? [] : field; init; }

    /// <summary>The recipient's domain, or <c>*.example.org</c>.</summary>
    public ImmutableArray<string> Domain { get => field.IsDefault ? [] : field; init; }

    public ImmutableArray<string> NextHop { get => field.IsDefault ? [] : field; init; }

    public ImmutableArray<string> Rule { get => field.IsDefault ? [] : field; init; }

    /// <summary>Occurs in the last reason; not case-sensitive.</summary>
    public string? Reason { get; init; }

    /// <summary>Queued or held.</summary>
    public RecipientState? State { get; init; }

    public TimeSpan? OlderThan { get; init; }

    /// <summary>Written out where everything is meant.</summary>
    public bool All { get; init; }

    public bool SaysNothing =>
        !All && Ids.IsEmpty && Sender.IsEmpty && Recipient.IsEmpty && Domain.IsEmpty && NextHop.IsEmpty && Rule.IsEmpty
        && Reason is null && State is null && OlderThan is null;
}

/// <summary>A filter made ready: its patterns are read.</summary>
internal sealed class QueueMatcher
{
    private readonly QueueFilter _filter;
    private readonly ImmutableArray<AddressPattern> _senders;
    private readonly ImmutableArray<AddressPattern> _recipients;
    private readonly Func<MailAddress, string?> _nextHopOf;
    private readonly DateTimeOffset? _acceptedBefore;

    /// <exception cref="ControlException">A value is none.</exception>
    public QueueMatcher(QueueFilter filter, Func<MailAddress, string?> nextHopOf, DateTimeOffset now)
    {
        _filter = filter;
        _nextHopOf = nextHopOf;
        _senders = Patterns(filter.Sender);
        _recipients = Patterns(filter.Recipient);
        Domains = Patterns(filter.Domain);
        if (filter.Domain.FirstOrDefault(d => d.Contains('@', StringComparison.Ordinal)) is { } address)
            throw new ControlException($"'{address}' is an address and no domain; use --recipient.");
        Ids = [.. filter.Ids.Select(Id)];
        if (filter.State is not (null or RecipientState.Queued or RecipientState.Held))
            throw new ControlException("A state is queued or held.");
        _acceptedBefore = filter.OlderThan is { } age ? now - age : null;
    }

    /// <summary>Empty: not named by id.</summary>
    public ImmutableArray<QueueId> Ids { get; }

    private ImmutableArray<AddressPattern> Domains { get; }

    /// <summary>The recipients that are not done and that it means.</summary>
    public IEnumerable<int> Matches(SpooledMail item)
    {
        if (!MatchesMail(item))
            return [];
        return Enumerable.Range(0, item.Status.Length).Where(i => !item.Status[i].IsFinal && MatchesRecipient(item, i));
    }

    private bool MatchesMail(SpooledMail item) =>
        (Ids.IsEmpty || Ids.Contains(item.Id))
        && (_senders.IsEmpty || _senders.Any(p => p.Matches(item.Mail.Envelope.Sender)))
        && !(item.Mail.AcceptedAt > _acceptedBefore);

    private bool MatchesRecipient(SpooledMail item, int index)
    {
        var address = item.Mail.Envelope.Recipients[index].Address;
        var status = item.Status[index];
        return (_recipients.IsEmpty || _recipients.Any(p => p.Matches(address)))
            && (Domains.IsEmpty || Domains.Any(p => p.Matches(address)))
            && (_filter.State is null || _filter.State == status.State)
            && (_filter.Rule.IsEmpty || _filter.Rule.Contains(item.Decisions[index].Rule, StringComparer.OrdinalIgnoreCase))
            && (_filter.Reason is null || status.Reason?.Contains(_filter.Reason, StringComparison.OrdinalIgnoreCase) == true)
            && (_filter.NextHop.IsEmpty || (_nextHopOf(address) is { } hop && _filter.NextHop.Contains(hop, StringComparer.OrdinalIgnoreCase)));
    }

    private static ImmutableArray<AddressPattern> Patterns(ImmutableArray<string> texts) =>
        [.. texts.Select(t => AddressPattern.TryParse(t, out var pattern)
            ? pattern
            : throw new ControlException($"'{t}' is neither an address nor a domain; write bob@example.org, example.org, '*.example.org' or '<>'."))];

    private static QueueId Id(string text) =>
        QueueId.TryParse(text, out var id) ? id : throw new ControlException($"'{text}' is no id of a mail; 'gateway queue list' shows them.");
}

/// <summary>A command that can't be carried out as it was given; the message says what to do instead.</summary>
internal sealed class ControlException(string message) : Exception(message);
