using System.Collections.Immutable;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.MailProtection;
using GatewaySecure.Policies;
using GatewaySecure.Smtp;

namespace GatewaySecure.Gateway.Protection;

/// <summary>Protects one mail for recipients that get the same copy.</summary>
internal interface IItemProtector
{
    /// <param name="tnef">What becomes of TNEF in it before.</param>
    /// <param name="keptState">What an earlier attempt gave to keep for these recipients, or null.</param>
    ValueTask<ProtectionOutcome> ProtectAsync(
        SpooledMail item,
        ImmutableArray<EnvelopeRecipient> recipients,
        ProtectionMethod method,
        TnefHandling tnef,
        ReadOnlyMemory<byte>? keptState,
        CancellationToken cancellationToken);
}
