using System.Collections.Immutable;
using GatewaySecure.Addresses;
using GatewaySecure.Policies;

namespace GatewaySecure.Gateway.Commands;

/// <summary>Says which certificate or ticket a method would use, without using it.</summary>
internal interface IProtectionPreview
{
    /// <returns>One plain line each.</returns>
    ValueTask<ImmutableArray<string>> PreviewAsync(
        ProtectionMethod method, Direction direction, MailAddress? sender, MailAddress recipient, CancellationToken cancellationToken);
}
