using System.Collections.Immutable;
using System.Data.Common;
using System.Security.Cryptography;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Scanning;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.KdcCore;
using GatewaySecure.MailProtection;
using GatewaySecure.MailProtection.Tnef;
using GatewaySecure.Policies;
using GatewaySecure.Smtp;

namespace GatewaySecure.Gateway.Protection;

/// <summary>Puts a spooled mail before the protector, with the organisation's signer, the certificates in use, and the KDC.</summary>
internal sealed class ItemProtector(
    MailProtector protector, CertificateWatch certificates, SmimeSigner? signer, ITicketSource tickets, IContentScan scan, OutgoingSigner outgoing)
    : IItemProtector
{
    /// <summary>The KDC's limit for one request (docs/formats/kdc-mail.md §7).</summary>
    private const int MaxTickets = 1000;

    public async ValueTask<ProtectionOutcome> ProtectAsync(
        SpooledMail item,
        ImmutableArray<EnvelopeRecipient> recipients,
        ProtectionMethod method,
        TnefHandling tnef,
        ReadOnlyMemory<byte>? keptState,
        CancellationToken cancellationToken)
    {
        // With what scanners put on top; they saw it as it was accepted.
        var content = scan.ContentOf(item);
        if (tnef == TnefHandling.Keep)
            return await ProtectAsync(item, content, recipients, method, keptState, cancellationToken);
        switch (await TnefOpening.OpenAsync(content, cancellationToken))
        {
            case TnefOutcome.Opened opened:
                var outcome = await ProtectAsync(item, opened.Content, recipients, method, keptState, cancellationToken);
                return outcome is ProtectionOutcome.Ready ready ? ready with { Message = ready.Message.Noting(opened.Summary) } : outcome;
            case TnefOutcome.Refused refused when tnef == TnefHandling.Open:
                return new ProtectionOutcome.Failed(refused.Reason);
            case TnefOutcome.Refused refused:
                var asItIs = await ProtectAsync(item, content, recipients, method, keptState, cancellationToken);
                return asItIs is ProtectionOutcome.Ready unopened ? unopened with { Message = unopened.Message.Noting($"TNEF stayed as it is: {refused.Reason}") } : asItIs;
            default:
                return await ProtectAsync(item, content, recipients, method, keptState, cancellationToken);
        }
    }

    private async ValueTask<ProtectionOutcome> ProtectAsync(
        SpooledMail item,
        IMailContent content,
        ImmutableArray<EnvelopeRecipient> recipients,
        ProtectionMethod method,
        ReadOnlyMemory<byte>? keptState,
        CancellationToken cancellationToken)
    {
        var addresses = recipients.Select(r => r.Address).ToImmutableArray();
        var outcome = await ProtectAsync(item, content, addresses, method, keptState, cancellationToken);
        return outcome is ProtectionOutcome.Ready ready
            ? ready with { Message = await outgoing.SignAsync(item, content, addresses, ready.Message, cancellationToken) }
            : outcome;
    }

    private async ValueTask<ProtectionOutcome> ProtectAsync(
        SpooledMail item,
        IMailContent content,
        ImmutableArray<MailAddress> addresses,
        ProtectionMethod method,
        ReadOnlyMemory<byte>? keptState,
        CancellationToken cancellationToken)
    {
        switch (method)
        {
            case ProtectionMethod.Normal:
                return protector.PassThrough(content, item.Mail.HoldsEightBit);
            case ProtectionMethod.Ca:
                return await protector.SealCaAsync(new SmimeOrder(content, addresses, signer, certificates.Current), cancellationToken);
            case ProtectionMethod.Kdc:
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(method), method, "Not a method.");
        }
        if (item.Mail.Envelope.Sender is not { } sender)
            return new ProtectionOutcome.Failed("Mail without a sender can't be KDC mail.");
        if (EvidenceOf(item.Mail.Session.Evidence) is not { } evidence)
            return new ProtectionOutcome.Failed($"Nobody vouches for {sender}: the sender was not authenticated when the mail was submitted.");
        if (addresses.Length > MaxTickets)
            return new ProtectionOutcome.Failed($"KDC mail goes to at most {MaxTickets} recipients at once.");
        try
        {
            var order = new KdcOrder(content, sender, addresses, evidence, tickets, keptState);
            return await protector.SealKdcAsync(order, cancellationToken);
        }
        catch (Exception e) when (e is DbException or CryptographicException)
        {
            // The KDC's database or vault: it may be there again later.
            return new ProtectionOutcome.Deferred($"The KDC can't answer: {e.Message}");
        }
    }

    private static Evidence? EvidenceOf(SenderEvidence evidence) => evidence switch
    {
        SenderEvidence.Authenticated => Evidence.Auth,
        SenderEvidence.Relay => Evidence.Relay,
        _ => null,
    };
}
