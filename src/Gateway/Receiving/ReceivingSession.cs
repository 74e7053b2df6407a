using GatewaySecure.Gateway.Configuration;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Policies;
using GatewaySecure.Smtp;
using GatewaySecure.Smtp.Server;

namespace GatewaySecure.Gateway.Receiving;

/// <summary>One connection's side of the receiving gateway: who may send, to whom, and where the content goes.</summary>
internal sealed class ReceivingSession(Intake intake) : ISmtpServerHandler
{
    public ValueTask<SmtpReply?> OnConnectAsync(SmtpPeer peer, CancellationToken cancellationToken) => new((SmtpReply?)null);

    public async ValueTask<string?> AuthenticateAsync(SmtpPeer peer, string userName, string password, CancellationToken cancellationToken)
    {
        var account = intake.Settings.Accounts.GetValueOrDefault(userName);
        // An unknown name costs as much as a wrong password, so that nobody can tell them apart.
        var hash = account?.PasswordHash ?? intake.Settings.NobodysPassword;
        var proved = await Task.Run(() => PasswordHash.Verify(password, hash), cancellationToken) && account is not null;
        if (!proved)
            intake.Log.WrongPassword(peer.RemoteEndPoint.Address.ToString());
        return proved ? account!.Name : null;
    }

    public ValueTask<SmtpReply> OnMailAsync(SmtpPeer peer, Envelope envelope, CancellationToken cancellationToken) =>
        new(intake.Gate.CheckSender(peer, envelope.Sender));

    public ValueTask<SmtpReply> OnRecipientAsync(
        SmtpPeer peer, Envelope envelope, EnvelopeRecipient recipient, CancellationToken cancellationToken)
    {
        var reply = intake.Gate.CheckRecipient(peer, recipient.Address);
        if (!reply.IsPositive || intake.Gate.IsOurPostmaster(recipient.Address))
            return new(reply);
        var facts = new MailFacts
        {
            Direction = intake.Gate.DirectionOf(peer, envelope.Sender, recipient.Address),
            Sender = envelope.Sender,
            Recipient = recipient.Address,
        };
        return new(PolicyEngine.TryDecideEarly(intake.Settings.Policy, facts) is { Action: DecisionAction.Reject } refusal
            ? intake.Gate.Refusal(peer, refusal.Reason)
            : reply);
    }

    public async ValueTask<MessageStart> OnMessageAsync(
        SmtpPeer peer, Envelope envelope, string protocol, CancellationToken cancellationToken)
    {
        SpoolWriter writer;
        try
        {
            writer = intake.Spool.Begin();
        }
        catch (SpoolUnavailableException e)
        {
            intake.Log.SpoolRefuses(e);
            return MessageStart.Refuse(Intake.NoStorage);
        }
        try
        {
            var trace = ReceivedHeader.Write(
                peer, envelope, intake.Settings.HostName.Ascii, protocol, writer.Id.ToString(), intake.Time.GetUtcNow());
            await writer.WriteAsync(trace, cancellationToken);
            return MessageStart.Accept(new MessageIntake(intake, peer, envelope, writer));
        }
        catch (SpoolUnavailableException e)
        {
            intake.Log.SpoolRefuses(e);
            await writer.DisposeAsync();
            return MessageStart.Refuse(Intake.NoStorage);
        }
        catch
        {
            await writer.DisposeAsync();
            throw;
        }
    }

    public void OnFault(SmtpPeer peer, Exception exception) => intake.Log.SessionFault(peer.RemoteEndPoint.Address.ToString(), exception);
}
