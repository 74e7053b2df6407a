using System.Collections.Immutable;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.MailProtection;
using GatewaySecure.Policies;
using GatewaySecure.Smtp;

namespace GatewaySecure.Gateway.Protection;

/// <summary>Protects one mail for recipients that get the same copy.</summary>
internal interface IItemProtector
{
    /// <summary>The form that is to be scanned and protected.</summary>
    /// <param name="decision">Says what becomes of TNEF and of S/MIME in it.</param>
    /// <exception cref="IOException">The spool could not be read, or a key is away.</exception>
    ValueTask<MailForm> OpenAsync(SpooledMail item, Decision decision, CancellationToken cancellationToken);

    /// <param name="form">What <see cref="OpenAsync"/> gave, and scanners added to.</param>
    /// <param name="keptState">What an earlier attempt gave to keep for these recipients, or null.</param>
    ValueTask<ProtectionOutcome> ProtectAsync(
        SpooledMail item,
        MailForm form,
        ImmutableArray<EnvelopeRecipient> recipients,
        ProtectionMethod method,
        ReadOnlyMemory<byte>? keptState,
        CancellationToken cancellationToken);
}
