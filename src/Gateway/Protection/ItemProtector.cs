using System.Collections.Immutable;
using System.Data.Common;
using System.Security.Cryptography;
using System.Text;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.KdcCore;
using GatewaySecure.MailAuthentication;
using GatewaySecure.MailProtection;
using GatewaySecure.Policies;
using GatewaySecure.Smtp;

namespace GatewaySecure.Gateway.Protection;

/// <summary>Puts a spooled mail before the protector, with the organisation's signer, the certificates in use, and the KDC.</summary>
internal sealed class ItemProtector(
    MailProtector protector, MailForms forms, CertificateWatch certificates, SmimeSigner? signer, ITicketSource tickets, OutgoingSigner outgoing, string serviceId)
    : IItemProtector
{
    /// <summary>The KDC's limit for one request (docs/formats/kdc-mail.md §7).</summary>
    private const int MaxTickets = 1000;

    public ValueTask<MailForm> OpenAsync(SpooledMail item, Decision decision, CancellationToken cancellationToken) =>
        forms.MakeAsync(item, decision, cancellationToken);

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
        var outcome = await ProtectFormAsync(item, form, addresses, method, keptState, cancellationToken);
        if (outcome is not ProtectionOutcome.Ready ready)
            return outcome;
        var message = FoundIn(form) is { Length: > 0 } found && method != ProtectionMethod.Kdc ? protector.PutOnTop(ready.Message, found, note: null) : ready.Message;
        message = await outgoing.SignAsync(item, form, addresses, message, cancellationToken);
        return ready with { Message = form.Note is { } note ? message.Noting(note) : message };
    }

    private async ValueTask<ProtectionOutcome> ProtectFormAsync(
        SpooledMail item,
        MailForm form,
        ImmutableArray<MailAddress> addresses,
        ProtectionMethod method,
        ReadOnlyMemory<byte>? keptState,
        CancellationToken cancellationToken)
    {
        switch (method)
        {
            case ProtectionMethod.Normal:
                return protector.PassThrough(form.Content, form.Unwrapped?.Content is null ? item.Mail.HoldsEightBit : null);
            case ProtectionMethod.Ca:
                return await protector.SealCaAsync(new SmimeOrder(form.Content, addresses, signer, certificates.Current, item.Mail.AcceptedAt), cancellationToken);
            case ProtectionMethod.Kdc:
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(method), method, "Not a method.");
        }
        var fromInside = item.Mail.Session.FromInside;
        var sender = fromInside ? item.Mail.Envelope.Sender : null;
        if (fromInside && sender is null)
            return new ProtectionOutcome.Failed("Mail without a sender can't be KDC mail.");
        if (EvidenceOf(item.Mail.Session) is not { } evidence)
            return new ProtectionOutcome.Failed($"Nobody vouches for {sender}: the sender was not authenticated when the mail was submitted.");
        if (addresses.Length > MaxTickets)
            return new ProtectionOutcome.Failed($"KDC mail goes to at most {MaxTickets} recipients at once.");
        try
        {
            var order = new KdcOrder(form.Content, sender, addresses, evidence, tickets, keptState)
            {
                Found = fromInside ? default : (byte[])[.. FoundIn(form), .. Encoding.ASCII.GetBytes(item.Mail.OnTop ?? "")],
            };
            return await protector.SealKdcAsync(order, cancellationToken);
        }
        catch (Exception e) when (e is DbException or CryptographicException)
        {
            // The KDC's database or vault: it may be there again later.
            return new ProtectionOutcome.Deferred($"The KDC can't answer: {e.Message}");
        }
    }

    private byte[] FoundIn(MailForm form) => form.Found is { } found ? Encoding.ASCII.GetBytes(AuthenticationResultsField.Whole(serviceId, found)) : [];

    private static Evidence? EvidenceOf(SessionFacts session) => session.Evidence switch
    {
        _ when !session.FromInside => Evidence.Outside,
        SenderEvidence.Authenticated => Evidence.Auth,
        SenderEvidence.Relay => Evidence.Relay,
        _ => null,
    };
}
