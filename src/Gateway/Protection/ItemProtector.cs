using System.Collections.Immutable;
using System.Data.Common;
using System.Security.Cryptography;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.KdcCore;
using GatewaySecure.MailProtection;
using GatewaySecure.MailProtection.Tnef;
using GatewaySecure.Policies;
using GatewaySecure.Smtp;

namespace GatewaySecure.Gateway.Protection;

/// <summary>Puts a spooled mail before the protector, with the organisation's signer, the certificates in use, and the KDC.</summary>
internal sealed class ItemProtector(
    MailProtector protector, CertificateWatch certificates, SmimeSigner? signer, ITicketSource tickets, OutgoingSigner outgoing)
    : IItemProtector
{
    /// <summary>The KDC's limit for one request (docs/formats/kdc-mail.md §7).</summary>
    private const int MaxTickets = 1000;

    public async ValueTask<MailForm> OpenAsync(SpooledMail item, TnefHandling tnef, CancellationToken cancellationToken)
    {
        if (tnef == TnefHandling.Keep)
            return new MailForm(item.Content);
        return await TnefOpening.OpenAsync(item.Content, cancellationToken) switch
        {
            TnefOutcome.Opened opened => new MailForm(opened.Content, IsOpened: true, Note: opened.Summary),
            TnefOutcome.Refused refused when tnef == TnefHandling.Open => new MailForm(item.Content, Refusal: refused.Reason),
            TnefOutcome.Refused refused => new MailForm(item.Content, Note: $"TNEF stayed as it is: {refused.Reason}"),
            _ => new MailForm(item.Content),
        };
    }

    public async ValueTask<ProtectionOutcome> ProtectAsync(
        SpooledMail item,
        MailForm form,
        ImmutableArray<EnvelopeRecipient> recipients,
        ProtectionMethod method,
        ReadOnlyMemory<byte>? keptState,
        CancellationToken cancellationToken)
    {
        if (form.Refusal is { } refusal)
            return new ProtectionOutcome.Failed(refusal);
        var addresses = recipients.Select(r => r.Address).ToImmutableArray();
        var outcome = await ProtectAsync(item, form.Content, addresses, method, keptState, cancellationToken);
        if (outcome is not ProtectionOutcome.Ready ready)
            return outcome;
        var signed = await outgoing.SignAsync(item, form.Content, addresses, ready.Message, cancellationToken);
        return ready with { Message = form.Note is { } note ? signed.Noting(note) : signed };
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
                return await protector.SealCaAsync(new SmimeOrder(content, addresses, signer, certificates.Current, item.Mail.AcceptedAt), cancellationToken);
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
