using System.Collections.Immutable;
using System.Formats.Asn1;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using GatewaySecure.Addresses;
using GatewaySecure.KdcCore;
using GatewaySecure.MailProtection.Cms;
using GatewaySecure.MailProtection.Mime;

namespace GatewaySecure.MailProtection.Sealing;

/// <summary>KDC mail as docs/formats/kdc-mail.md §4–5 specifies it. The content is read once for the commitment and once to be sent.</summary>
internal static class KdcSealer
{
    public static async ValueTask<ProtectionOutcome> SealAsync(KdcOrder order, TimeProvider time, CancellationToken cancellationToken)
    {
        if (order.Recipients.IsDefaultOrEmpty)
            return new ProtectionOutcome.Failed("There is nobody to encrypt to.");
        var recipients = order.Recipients.Distinct().ToImmutableArray();
        var source = await MessageSource.ReadAsync(order.Content, cancellationToken);
        if (source is null)
            return new ProtectionOutcome.Failed("The header of the message is larger than one megabyte.");
        var (from, problem) = FromField.Single(source.Header);
        if (from is null)
            return new ProtectionOutcome.Failed(problem);
        if (order.Sender is not null && !from.Equals(order.Sender))
        {
            return new ProtectionOutcome.Failed(
                $"The message says it is from {from}, but it was sent by {order.Sender}: a ticket names one of them only.");
        }

        var kept = order.KeptState is { } octets ? KeptState.TryDecode(octets) : null;
        if (order.KeptState is not null && kept is null)
            return new ProtectionOutcome.Failed("What an earlier attempt kept can't be read.");
        if (kept is not null && StillServes(kept, recipients, time.GetUtcNow()) is { } grant)
        {
            if (await order.Tickets.CheckStandingAsync(grant, cancellationToken) is { } refusal)
                return new ProtectionOutcome.Failed(refusal);
            return Ready(order, source, kept with { Grant = grant }, stateToKeep: order.KeptState);
        }

        var innerHeader = kept?.InnerHeader ?? HeaderProtection.InnerHeader(source.Header, RandomNumberGenerator.GetBytes(32), order.Found.Span);
        var commitment = await CommitAsync(source, innerHeader, cancellationToken);
        if (kept is not null && !kept.Commitment.Span.SequenceEqual(commitment))
            return new ProtectionOutcome.Failed("The message is not the one of the earlier attempt.");
        var answer = await order.Tickets.RequestAsync(new TicketOrder(from, recipients, commitment, order.Evidence), cancellationToken);
        switch (answer)
        {
            case TicketOutcome.Refused refused:
                return new ProtectionOutcome.Failed(refused.About is null ? refused.Reason : $"{refused.About}: {refused.Reason}");
            case TicketOutcome.Unavailable unavailable:
                return new ProtectionOutcome.Deferred(unavailable.Reason);
            case TicketOutcome.Granted granted:
                if (granted.Grant.SessionKey.Length != 32 || recipients.Any(r => granted.Grant.Tickets.All(t => !t.Recipient.Equals(r))))
                    return new ProtectionOutcome.Deferred("The KDC's answer does not hold a ticket for every recipient.");
                var state = new KeptState(innerHeader, commitment, granted.Grant);
                return Ready(order, source, state, state.Encode());
            default:
                throw new InvalidOperationException("TicketOutcome is a closed hierarchy.");
        }
    }

    /// <summary>The kept tickets of those who are still to get it; null where one lacks or is past its last moment to send.</summary>
    private static TicketGrant? StillServes(KeptState kept, ImmutableArray<MailAddress> recipients, DateTimeOffset now)
    {
        var tickets = kept.Grant.Tickets.Where(t => recipients.Contains(t.Recipient)).ToImmutableArray();
        var all = recipients.All(r => tickets.Any(t => t.Recipient.Equals(r)));
        var inTime = tickets.All(t => TicketContext.Decode(t.Context) is { } context && now <= context.ExpiresAt);
        return all && inTime ? kept.Grant with { Tickets = tickets } : null;
    }

    private static async ValueTask<byte[]> CommitAsync(MessageSource source, ReadOnlyMemory<byte> innerHeader, CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(innerHeader.Span);
        await source.ReadBodyAsync(
            block =>
            {
                hash.AppendData(block.Span);
                return ValueTask.CompletedTask;
            },
            cancellationToken);
        return hash.GetHashAndReset();
    }

    private static ProtectionOutcome.Ready Ready(KdcOrder order, MessageSource source, KeptState state, ReadOnlyMemory<byte>? stateToKeep)
    {
        var envelope = new Envelope(Gcm: true, EncodeRecipients(state.Grant.Tickets), Version: 0, state.InnerHeader.Length + source.BodyLength);
        var outer = OuterHeader.ForKdc(source.Header);
        var message = new SendableMessage(
            outer.Length + envelope.ArmoredLength,
            !Ascii.IsValid(outer),
            new ProtectionRecord("kdc", Summarize(order, source.Header, state.Grant)),
            async (destination, ct) =>
            {
                await destination.WriteAsync(outer, ct);
                await envelope.WriteAsync(state.Grant.SessionKey.ToArray(), sink => WriteEntityAsync(source, state, sink, ct), destination, ct);
            });
        return new ProtectionOutcome.Ready(message, stateToKeep);
    }

    /// <summary>Hashed again on its way out: what leaves is what the tickets are bound to, or it does not leave whole.</summary>
    private static async ValueTask WriteEntityAsync(
        MessageSource source, KeptState state, Func<ReadOnlyMemory<byte>, ValueTask> sink, CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(state.InnerHeader.Span);
        await sink(state.InnerHeader);
        await source.ReadBodyAsync(
            block =>
            {
                hash.AppendData(block.Span);
                return sink(block);
            },
            cancellationToken);
        if (!state.Commitment.Span.SequenceEqual(hash.GetHashAndReset()))
            throw new IOException("The content is not the one that the tickets were issued for.");
    }

    /// <summary>docs/formats/kdc-mail.md §5: one KEKRecipientInfo for each ticket.</summary>
    private static byte[] EncodeRecipients(ImmutableArray<IssuedTicket> tickets)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER, 512 * tickets.Length);
        using (writer.PushSetOf())
        {
            foreach (var ticket in tickets)
            {
                using (writer.PushSequence(CmsWriter.Context(2)))
                {
                    writer.WriteInteger(4);
                    using (writer.PushSequence())
                    {
                        writer.WriteOctetString(ticket.Id.Span);
                        using (writer.PushSequence())
                        {
                            WriteContext(writer, ticket);
                        }
                    }
                    writer.WriteAlgorithm(Oids.Aes256Wrap);
                    writer.WriteOctetString(ticket.WrappedKey.Span);
                }
            }
        }
        return writer.Encode();
    }

    /// <summary>docs/formats/kdc-mail.md §5 and §12: the context, and beside it the envelope where the recipient's card has no AES slot.</summary>
    private static void WriteContext(AsnWriter writer, IssuedTicket ticket)
    {
        if (ticket.Envelope.IsEmpty)
        {
            writer.WriteObjectIdentifier(TicketContext.AttributeOid);
            writer.WriteEncodedValue(ticket.Context.Span);
            return;
        }
        writer.WriteObjectIdentifier(TicketContext.EnvelopedAttributeOid);
        using var _ = writer.PushSequence();
        writer.WriteEncodedValue(ticket.Context.Span);
        writer.WriteEncodedValue(ticket.Envelope.Span);
    }

    private static string Summarize(KdcOrder order, HeaderBlock header, TicketGrant grant)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"KDC mail, AES-256-GCM, from {order.Sender?.ToString() ?? "outside"} ({order.Evidence}), tickets of {grant.IssuedAt:u}");
        foreach (var ticket in grant.Tickets)
            text.Append(CultureInfo.InvariantCulture, $"; {ticket.Recipient}: ticket {Convert.ToHexStringLower(ticket.Id.Span)}");
        text.Append('.');
        if (MediaType.Of(header).SaysSigned)
            text.Append(" Its sender signed it: encrypted unchanged.");
        return text.ToString();
    }
}
