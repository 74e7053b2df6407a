using System.Collections.Immutable;
using System.Net;
using System.Text;
using GatewaySecure.Smtp.Server;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace GatewaySecure.Gateway.Receiving;

/// <summary>Makes an SMTP session of each of Kestrel's connections to one listener.</summary>
internal sealed class SmtpConnectionHandler(
    SmtpServerOptions options, ImmutableArray<IPNetwork> normaliseFrom, ConnectionLimiter limiter, Intake intake) : ConnectionHandler
{
    private readonly SmtpServerOptions _normalising = options with { NormaliseBareLineEnds = true };

    public override async Task OnConnectedAsync(ConnectionContext connection)
    {
        if (connection.RemoteEndPoint is not IPEndPoint remote || connection.LocalEndPoint is not IPEndPoint local)
            return;
        using var place = limiter.TryEnter(remote.Address, out var refusal);
        if (place is null)
        {
            intake.Log.ConnectionRefused(remote.Address.ToString(), refusal!);
            // A client that expects TLS first can't read this; it sees the connection close, which says the same.
            if (!options.ImplicitTls)
                await connection.Transport.Output.WriteAsync(Encoding.ASCII.GetBytes($"421 4.7.0 {refusal}\r\n"));
            return;
        }
        var peer = new SmtpPeer { RemoteEndPoint = remote, LocalEndPoint = local };
        var session = new SmtpServerSession(
            connection.Transport,
            peer,
            ReceivingSettings.Contains(normaliseFrom, remote.Address) ? _normalising : options,
            new ReceivingSession(intake),
            intake.Time);
        var shutdown = connection.Features.Get<IConnectionLifetimeNotificationFeature>()?.ConnectionClosedRequested ?? CancellationToken.None;
        await session.RunAsync(shutdown, connection.ConnectionClosed);
    }
}
