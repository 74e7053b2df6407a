using System.Collections.Immutable;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.MailAuthentication;
using GatewaySecure.MailAuthentication.Dkim;
using GatewaySecure.MailProtection;
using GatewaySecure.Policies;

namespace GatewaySecure.Gateway.Protection;

/// <summary>
/// Puts DKIM signatures on mail from inside that leaves the organisation, over its octets as they leave: it is written twice, once to be
/// hashed. Mail from outside is never signed so; where it was examined, it gets an ARC seal.
/// </summary>
/// <param name="sealer">Null: nothing is sealed.</param>
internal sealed class OutgoingSigner(MailProtector protector, DkimSigner signer, PolicySnapshot policy, ArcSealer? sealer)
{
    /// <param name="form">What was protected: tells for a few octets whether there is anything to sign, and what was found out about it.</param>
    /// <returns>The same message where it is not to be signed.</returns>
    public async ValueTask<SendableMessage> SignAsync(
        SpooledMail item, MailForm form, ImmutableArray<MailAddress> recipients, SendableMessage message, CancellationToken cancellationToken)
    {
        if (sealer is not null && item.Mail is { ArcSets: { } earlier, OnTop: { } results })
        {
            var set = await sealer.SealAsync(message.WriteToAsync, earlier, results.TrimEnd() + form.Found, cancellationToken);
            return set.Length == 0 ? message : protector.PutOnTop(message, set, "Sealed with ARC.");
        }
        if (signer.IsEmpty || !item.Mail.Session.FromInside || recipients.All(r => policy.OwnDomains.Contains(r.Domain)))
            return message;
        if (!signer.Signs(await HeaderBuffer.ReadAsync(form.Content.OpenRead(), cancellationToken)))
            return message;
        var fields = await signer.SignAsync(message.WriteToAsync, cancellationToken);
        return fields.Length == 0 ? message : protector.PutOnTop(message, fields, "Signed with DKIM.");
    }
}
