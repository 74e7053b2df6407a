using System.Collections.Immutable;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.MailAuthentication;
using GatewaySecure.Policies;
using GatewaySecure.Smtp;
using GatewaySecure.Smtp.Server;
using Microsoft.Extensions.Logging;
using MimeKit;

namespace GatewaySecure.Gateway.Receiving;

/// <summary>
/// Takes the content of one message into the spool, looks at its header on the way, and lets the rules decide for each recipient
/// once it is whole. A 250 from here means: durable.
/// </summary>
internal sealed class MessageIntake(Intake intake, SmtpPeer peer, Envelope envelope, SpoolWriter writer) : IMessageSink
{
    private static readonly SmtpReply NoMemory = new(452, "4.3.1", "Too many large headers at once, try again later");

    private static readonly SmtpReply Loop = new(554, "5.4.6", "Too many hops: this mail goes round in circles");

    private static readonly SmtpReply BeginsFolded = new(554, "5.6.0", "The message begins with white space, as if it continued a line above");

    private static readonly SmtpReply ForeignTenant = new(550, "5.7.1", "No relay: this mail comes from a tenant that is not ours");

    /// <summary>Dealt with, handed on, and sent here again: doing it once more would protect it twice and never end.</summary>
    private static readonly SmtpReply ComesBack = new(554, "5.4.6", "This mail was dealt with here before and came back: the mail server sends it in circles");

    /// <summary>Octets of header that each session may hold without asking the spool's budget for memory.</summary>
    private const int FreeHeader = 32 << 10;

    private readonly HeaderCapture _header = new();
    private readonly HeaderGuard _guard = new(intake, peer);

    /// <summary>Null: mail of this peer is not examined.</summary>
    private readonly MailExamination? _examination = intake.Gate.IsInside(peer) ? null : intake.Authentication?.Begin(peer, envelope);
    private readonly KindCapture? _kind = intake.WantsKinds ? new(intake.Spool) : null;
    private bool _holdsEightBit;
    private int _reserved;

    public ValueTask<SmtpReply?> WriteAsync(ReadOnlyMemory<byte> octets, CancellationToken cancellationToken)
    {
        // As it came: what is removed may have been signed.
        _examination?.Append(octets.Span);
        return TakeAsync(_guard.Pass(octets), cancellationToken);
    }

    private async ValueTask<SmtpReply?> TakeAsync(ReadOnlyMemory<byte> octets, CancellationToken cancellationToken)
    {
        _holdsEightBit = _holdsEightBit || octets.Span.ContainsAnyExceptInRange((byte)0, (byte)127);
        var body = octets;
        if (!_header.IsComplete)
        {
            // It would become part of our own trace field, which stands above (RFC 5322 §2.2.3).
            if (_header.Octets.IsEmpty && octets.Span is [(byte)' ' or (byte)'\t', ..])
                return BeginsFolded;
            var before = _header.Octets.Length;
            _header.Add(octets.Span);
            body = octets[Math.Clamp(_header.Octets.Length - before, 0, octets.Length)..];
            if (_header.IsTooLarge)
                return new SmtpReply(552, "5.3.4", $"The header is larger than {HeaderCapture.Maximum / 1024} KB");
            if (_header.IsComplete && GoesRound())
                return Loop;
            if (!HasRoomForHeader())
                return NoMemory;
        }
        if (_header.IsComplete)
            _kind?.Add(_header.Octets, body.Span);
        try
        {
            await writer.WriteAsync(octets, cancellationToken);
        }
        catch (SpoolUnavailableException e)
        {
            intake.Log.SpoolUnavailable(writer.Id, e);
            return Intake.NoStorage;
        }
        return null;
    }

    public async ValueTask<SmtpReply> CommitAsync(CancellationToken cancellationToken)
    {
        if (_guard.End() is { IsEmpty: false } held && await TakeAsync(held, cancellationToken) is { } refusal)
            return refusal;
        // A message without an empty line is all header.
        if (!_header.IsComplete && GoesRound())
            return Loop;
        var headers = HeaderFacts.Read(_header.Octets);
        // Whom the address alone lets in, and the tenant proves to be a stranger, is one.
        var isStranger = _guard.IsForeignTenant && peer.AuthenticatedAs is null;
        var inside = intake.Gate.IsInside(peer) && !isStranger;
        var isReport = JournalReports.IsReport(_guard.IsExchange, headers);
        var kind = isReport ? MailKind.Journal : _kind?.Of(envelope.Sender is null) ?? MailKind.Ordinary;
        if (Refusal(inside, isReport) is { } no)
        {
            intake.Log.RefusedByRule(writer.Id, peer.RemoteEndPoint.Address.ToString(), no.Lines[0]);
            return no;
        }
        var judgement = await JudgeAsync(cancellationToken);
        var content = new ContentFacts(headers, kind, judgement?.Verdicts ?? []);
        var decisions = envelope.Recipients.Select(r => intake.Gate.Decide(inside, envelope.Sender, r.Address, content)).ToImmutableArray();
        var refused = decisions.Count(d => d.Action == DecisionAction.Reject);
        // From outside one refusal refuses the whole: a report about part of it could go to a forged sender (RFC 5321 §6.2).
        if (refused == decisions.Length || (refused > 0 && !inside))
        {
            var reason = decisions.First(d => d.Action == DecisionAction.Reject).Reason;
            intake.Log.RefusedByRule(writer.Id, peer.RemoteEndPoint.Address.ToString(), reason);
            return intake.Gate.Refusal(peer, reason);
        }
        if (judgement?.Refusal is { } disowned)
        {
            intake.Log.RefusedByRule(writer.Id, peer.RemoteEndPoint.Address.ToString(), disowned.ToString());
            return disowned;
        }
        if (judgement?.HoldReason is { } why)
            decisions = [.. decisions.Select(d => d.Action == DecisionAction.Protect ? d with { Action = DecisionAction.Hold, Reason = why } : d)];
        var mail = new AcceptedMail
        {
            AcceptedAt = intake.Time.GetUtcNow(),
            Envelope = isReport ? JournalReports.Discreet(intake.Settings, envelope) : envelope,
            Decisions = decisions,
            Blind = BlindRecipients(headers),
            Session = new SessionFacts(
                peer.RemoteEndPoint.Address.ToString(),
                peer.HeloName,
                peer.AuthenticatedAs,
                isStranger ? SenderEvidence.None : intake.Gate.EvidenceFor(peer, envelope.Sender),
                inside,
                peer.CertifiedAs),
            HoldsEightBit = _holdsEightBit,
            OnTop = judgement?.Field,
            IsDisowned = judgement?.IsDisowned ?? false,
            RemovedFields = _guard.Removed,
            Kind = kind,
            Authentication = content.Authentication,
            ArcSets = judgement?.ArcSets,
        };
        SpooledMail item;
        try
        {
            item = await writer.CommitAsync(mail, cancellationToken);
        }
        catch (SpoolUnavailableException e)
        {
            intake.Log.SpoolUnavailable(writer.Id, e);
            return Intake.NoStorage;
        }
        intake.Log.Accepted(
            item.Id,
            mail.Session.Describe(),
            envelope.Sender?.ToString() ?? "<>",
            string.Join(' ', envelope.Recipients.Zip(decisions, (r, d) => $"{r.Address} [{d.Rule}]")),
            item.Content.Length);
        if (!mail.RemovedFields.IsEmpty)
            intake.Log.FieldsRemoved(item.Id, peer.RemoteEndPoint.Address.ToString(), string.Join(' ', mail.RemovedFields));
        intake.Queue(item);
        return new SmtpReply(250, "2.0.0", $"Queued as {item.Id}");
    }

    public ValueTask DisposeAsync()
    {
        _examination?.Dispose();
        intake.Spool.FreeMemory(_reserved);
        _reserved = 0;
        _kind?.Dispose();
        return writer.DisposeAsync();
    }

    /// <summary>What rules are not asked about; null: nothing speaks against it.</summary>
    private SmtpReply? Refusal(bool inside, bool isReport)
    {
        if (_guard.IsForeignTenant && !inside && envelope.Recipients.Any(r => !intake.Gate.IsOurs(r.Address)))
            return ForeignTenant;
        if (intake.Settings.Mark is { } mark && _guard.Marks.Any(m => !mark.Known(m, envelope.Recipients.Select(r => r.Address)).IsEmpty))
            return ComesBack;
        return JournalReports.Refusal(intake.Settings, isReport, envelope);
    }

    private async ValueTask<ArrivalJudgement?> JudgeAsync(CancellationToken cancellationToken) =>
        _examination is null
            ? null
            : await intake.Authentication!.JudgeAsync(
                _examination, peer, envelope, envelope.Recipients.All(r => intake.Gate.IsOurPostmaster(r.Address)), cancellationToken);

    private bool HasRoomForHeader()
    {
        // Who examines it keeps a copy.
        var more = ((_examination is null ? 1 : 2) * _header.Capacity) - FreeHeader - _reserved;
        if (more <= 0)
            return true;
        if (!intake.Spool.TryReserveMemory(more))
            return false;
        _reserved += more;
        return true;
    }

    /// <summary>RFC 5321 §6.3; and our own trace fields, which cut a loop through us much earlier.</summary>
    private bool GoesRound()
    {
        var count = HopCount.Of(_header.Octets, intake.Settings.HostName);
        if (count.Hops <= intake.Settings.MaxHops && count.Passes < intake.Settings.MaxPasses)
            return false;
        intake.Log.GoesRound(writer.Id, peer.RemoteEndPoint.Address.ToString(), count.Hops, count.Passes);
        return true;
    }

    /// <summary>Indexes of those whom no To or Cc field names.</summary>
    private ImmutableArray<int> BlindRecipients(ImmutableArray<HeaderFact> headers)
    {
        // One recipient is alone anyhow, and most mail has one.
        if (envelope.Recipients.Length == 1)
            return [];
        var named = headers
            .Where(h => h.Name.ToLowerInvariant() is "to" or "cc" or "resent-to" or "resent-cc")
            .SelectMany(h => InternetAddressList.TryParse(h.Value, out var list) ? list.Mailboxes : [])
            .Select(m => MailAddress.TryParse(m.Address, out var address) ? address : null)
            .ToHashSet();
        return [.. Enumerable.Range(0, envelope.Recipients.Length).Where(i => !named.Contains(envelope.Recipients[i].Address))];
    }
}
