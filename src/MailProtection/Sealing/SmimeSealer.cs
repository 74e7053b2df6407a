using System.Formats.Asn1;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using GatewaySecure.MailProtection.Cms;
using GatewaySecure.MailProtection.Mime;
using GatewaySecure.MailProtection.Recipients;

namespace GatewaySecure.MailProtection.Sealing;

/// <summary>
/// Sign, then encrypt (RFC 8551 §3.7): a multipart/signed entity inside an enveloped one. The content is hashed while it is encrypted,
/// so it is read once; docs/smime.md says why this form.
/// </summary>
internal static class SmimeSealer
{
    public static async ValueTask<ProtectionOutcome> SealAsync(SmimeOrder order, TimeProvider time, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        if (order.Recipients.IsDefaultOrEmpty)
            return new ProtectionOutcome.Failed("There is nobody to encrypt to.");
        var choices = order.Recipients.Distinct().Select(r => order.Directory.Select(r, now)).ToArray();
        var lacking = choices.Where(c => c.Chosen is null).ToArray();
        if (lacking.Length > 0)
        {
            var reason = string.Join(' ', lacking.Select(c => c.Describe()));
            return lacking.All(c => now - order.AcceptedAt < c.Wait) ? new ProtectionOutcome.Deferred(reason) : new ProtectionOutcome.Failed(reason);
        }

        var source = await MessageSource.ReadAsync(order.Content, cancellationToken);
        if (source is null)
            return new ProtectionOutcome.Failed("The header of the message is larger than one megabyte.");

        // One format for the whole set: who can't read GCM must not get it.
        var gcm = choices.All(c => c.Chosen!.ReadsGcm);
        var contentKey = Envelope.NewContentKey();
        var recipients = choices.Select(c => c.Chosen!.Entry).DistinctBy(e => e.Certificate.Thumbprint).ToArray();
        byte[] recipientInfos;
        try
        {
            recipientInfos = EncodeRecipients(recipients, contentKey, gcm);
        }
        catch (CryptographicException e)
        {
            return new ProtectionOutcome.Failed($"A certificate's key can't be encrypted to: {e.Message}");
        }

        // What is signed already stays as its signer made it.
        var signer = MediaType.Of(source.Header).SaysSigned ? null : order.Signer;
        var entity = new SmimeEntity(source, signer?.Profile, now);
        // RFC 5652 §6.1: key agreement makes it version 2; AuthEnvelopedData is always 0.
        var version = !gcm && recipients.Any(r => r.Rsa is null) ? 2 : 0;
        var envelope = new Envelope(gcm, recipientInfos, version, entity.Length);
        var outer = OuterHeader.ForSmime(source.Header, gcm);
        var message = new SendableMessage(
            outer.Length + envelope.ArmoredLength,
            !Ascii.IsValid(outer),
            new ProtectionRecord("ca", Summarize(choices, signer, gcm, order.Signer is not null)),
            async (destination, ct) =>
            {
                await destination.WriteAsync(outer, ct);
                await envelope.WriteAsync(contentKey, sink => entity.WriteAsync(sink, ct), destination, ct);
            });
        return new ProtectionOutcome.Ready(message, StateToKeep: null);
    }

    private static byte[] EncodeRecipients(RecipientCertificate[] recipients, byte[] contentKey, bool gcm)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER, 512 * recipients.Length);
        using (writer.PushSetOf())
        {
            foreach (var recipient in recipients)
                RecipientInfos.WriteCertificateRecipient(writer, recipient, contentKey, gcm);
        }
        return writer.Encode();
    }

    private static string Summarize(CertificateChoice[] choices, SmimeSigner? signer, bool gcm, bool signerGiven)
    {
        var text = new StringBuilder("S/MIME, ");
        if (signer is not null)
            text.Append(CultureInfo.InvariantCulture, $"signed by {signer.Certificate.Subject}, ");
        else if (signerGiven)
            text.Append("signed by its sender already, ");
        text.Append(gcm ? "AES-256-GCM" : "AES-256-CBC");
        foreach (var choice in choices)
            text.Append(CultureInfo.InvariantCulture, $"; {choice.Recipient}{(choice.IsOfDomain ? " by the organisation's certificate" : "")}: {choice.Chosen!.Describe()}");
        return text.Append('.').ToString();
    }
}
