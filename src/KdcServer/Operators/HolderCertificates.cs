using GatewaySecure.CertificateAuthority;
using GatewaySecure.KdcCore;

namespace GatewaySecure.KdcServer.Operators;

/// <summary>Certificates stand as their holder does: on hold while he is suspended, revoked for ever with him.</summary>
internal static class HolderCertificates
{
    /// <returns>How many changed.</returns>
    public static async Task<int> FollowAsync(
        Principal holder, ICertificateStanding standing, ICertificateStore certificates, string actor, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var changed = 0;
        foreach (var certificate in (await certificates.OfAsync(holder.Id, cancellationToken)).Where(c => c.NotAfter > now))
        {
            var isForEver = certificate.Reason is { } reason and not RevocationReason.CertificateHold;
            switch (holder.Status)
            {
                case PrincipalStatus.Revoked when !isForEver:
                    await standing.RevokeAsync(certificate.Serial, RevocationReason.CessationOfOperation, actor, cancellationToken);
                    break;
                case PrincipalStatus.Suspended when certificate.Reason is null:
                    await standing.RevokeAsync(certificate.Serial, RevocationReason.CertificateHold, actor, cancellationToken);
                    break;
                case PrincipalStatus.Active when certificate.Reason == RevocationReason.CertificateHold:
                    await standing.ReleaseAsync(certificate.Serial, actor, cancellationToken);
                    break;
                default:
                    continue;
            }
            changed++;
        }
        return changed;
    }
}
