using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Text;
using GatewaySecure.Smtp;
using GatewaySecure.Smtp.Server;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace GatewaySecure.Gateway.Receiving;

/// <summary>Makes an SMTP session of each of Kestrel's connections to one listener.</summary>
internal sealed class SmtpConnectionHandler(ReceivingListener listener, Intake intake) : ConnectionHandler
{
    public override async Task OnConnectedAsync(ConnectionContext connection)
    {
        if (connection.RemoteEndPoint is not IPEndPoint remote || connection.LocalEndPoint is not IPEndPoint local)
            return;
        using var place = intake.Traffic.Connections.TryEnter();
        if (place is null)
        {
            await RefuseAsync(connection, new SmtpReply(421, "4.7.0", "Too many connections, try again later"));
            intake.Traffic.Refusals.Add(remote.Address, "Too many connections in all");
            return;
        }
        var peer = new SmtpPeer { RemoteEndPoint = remote, LocalEndPoint = local };
        if (ReceivingSettings.Contains(listener.ProxyFrom, remote.Address))
        {
            if (await ReadProxyHeaderAsync(connection, remote.Address) is not { } header)
                return;
            peer = peer with { RemoteEndPoint = header.Source ?? remote, LocalEndPoint = header.Destination ?? local };
        }
        var admission = new Admission(intake.Traffic, place, intake.Settings.IsRelayNetwork);
        if (admission.Enter(peer.RemoteEndPoint.Address) is { } refusal)
        {
            await RefuseAsync(connection, refusal);
            return;
        }
        var session = new SmtpServerSession(
            connection.Transport, peer, listener.OptionsFor(peer.RemoteEndPoint.Address), new ReceivingSession(intake, admission), intake.Time);
        var shutdown = connection.Features.Get<IConnectionLifetimeNotificationFeature>()?.ConnectionClosedRequested ?? CancellationToken.None;
        await session.RunAsync(shutdown, connection.ConnectionClosed);
    }

    private async Task RefuseAsync(ConnectionContext connection, SmtpReply reply)
    {
        // A client that expects TLS first can't read this; it sees the connection close, which says the same.
        if (!listener.Options.ImplicitTls)
            await connection.Transport.Output.WriteAsync(Encoding.ASCII.GetBytes($"{reply.Code} {reply.Status} {reply.Lines[0]}\r\n"));
    }

    /// <summary>What stands before everything else; null: there is none that could be believed, and nothing is said.</summary>
    private async Task<ProxyHeaderResult.Found?> ReadProxyHeaderAsync(ConnectionContext connection, IPAddress proxy)
    {
        using var limit = new CancellationTokenSource(listener.ProxyHeaderTimeout, intake.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, connection.ConnectionClosed);
        var input = connection.Transport.Input;
        try
        {
            while (true)
            {
                var result = await input.ReadAsync(either.Token);
                switch (ProxyHeader.Parse(result.Buffer.Slice(0, Math.Min(result.Buffer.Length, ProxyHeader.MaxLength)).ToArray()))
                {
                    case ProxyHeaderResult.Found found:
                        input.AdvanceTo(result.Buffer.GetPosition(found.Length));
                        return found;
                    case ProxyHeaderResult.Invalid:
                        input.AdvanceTo(result.Buffer.Start);
                        intake.Traffic.Refusals.Add(proxy, "No PROXY header, or a malformed one, though proxy-protocol-from lists this peer");
                        return null;
                }
                input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
                // Who connects and leaves looks whether we are there.
                if (result.IsCompleted)
                    return null;
            }
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested)
        {
            intake.Traffic.Refusals.Add(proxy, "No PROXY header came in time");
            return null;
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            return null;
        }
    }
}
