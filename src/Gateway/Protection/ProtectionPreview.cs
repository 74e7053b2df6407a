using System.Collections.Immutable;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Commands;
using GatewaySecure.Gateway.Configuration;
using GatewaySecure.Gateway.Hosting;
using GatewaySecure.KdcCore;
using GatewaySecure.MailProtection.Recipients;
using GatewaySecure.Policies;
using GatewaySecure.Storage;

namespace GatewaySecure.Gateway.Protection;

/// <summary>Which certificate or ticket a mail would get now, from the same directory and principals that the mail path uses. Changes nothing.</summary>
internal sealed class ProtectionPreview(GatewayConfiguration configuration, string? stateDirectory, TimeProvider time) : IProtectionPreview
{
    public async ValueTask<ImmutableArray<string>> PreviewAsync(
        ProtectionMethod method, Direction direction, MailAddress? sender, MailAddress recipient, CancellationToken cancellationToken)
    {
        if (method == ProtectionMethod.Normal)
            return ["goes as it is"];
        if (stateDirectory is null || !File.Exists(Path.Combine(stateDirectory, StateDirectory.DatabaseName)))
            return ["which certificate or ticket: give the gateway's state directory with --state to see it"];
        if (method == ProtectionMethod.Ca)
            return PreviewCertificate(recipient);
        var ticket = await PreviewTicketAsync("recipient", recipient, cancellationToken);
        if (direction == Direction.Inbound)
            return ["the gateway asks in its own name: the sender is outside", ticket];
        return sender is null ? ["mail without a sender can't be KDC mail"] : [await PreviewTicketAsync("sender", sender, cancellationToken), ticket];
    }

    private ImmutableArray<string> PreviewCertificate(MailAddress recipient)
    {
        var directory = CertificateDirectory.Load(configuration.CertificateFolders(StateDirectory.Open(stateDirectory!)), configuration.TrustOptions());
        var choice = directory.Select(recipient, time.GetUtcNow());
        var algorithm = choice.Chosen is { } chosen ? $" Encrypted with AES-256-{(chosen.ReadsGcm ? "GCM" : "CBC")}." : "";
        return [choice.Describe() + algorithm];
    }

    private async ValueTask<string> PreviewTicketAsync(string role, MailAddress address, CancellationToken cancellationToken)
    {
        if (configuration.Kdc.Server is { } server)
            return await AskServerAsync(server, role, address, cancellationToken);
        await using var database = await GatewayDatabase.OpenAsync(Path.Combine(stateDirectory!, StateDirectory.DatabaseName), cancellationToken);
        var found = await database.Principals.FindByAddressAsync(address, time.GetUtcNow(), cancellationToken);
        if (found is null)
            return $"{role} {address} is no principal of the KDC: no ticket";
        if (found.Objection(time.GetUtcNow()) is { } objection)
            return $"{role} {address} {objection}: no ticket";
        return $"{role} {address} is principal {found.Id}, key version {found.Kvno}";
    }

    private async ValueTask<string> AskServerAsync(KdcServerConfiguration server, string role, MailAddress address, CancellationToken cancellationToken)
    {
        try
        {
            using var kdc = KdcAccess.Connect(server, time);
            var preview = await kdc.PreviewAsync(address, cancellationToken);
            return preview.Refusal is { } refusal
                ? $"{role}: {refusal.TrimEnd('.')}: no ticket"
                : $"{role} {address} is principal {preview.Principal}, key version {preview.Kvno}";
        }
        catch (IOException e)
        {
            return $"{role} {address}: the KDC can't be asked: {e.Message}";
        }
    }
}
