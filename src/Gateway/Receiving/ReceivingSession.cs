using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Gateway.Configuration;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Policies;
using GatewaySecure.Smtp;
using GatewaySecure.Smtp.Server;

namespace GatewaySecure.Gateway.Receiving;

/// <summary>One connection's side of the receiving gateway: who may send, to whom, and where the content goes.</summary>
internal sealed class ReceivingSession(Intake intake, Admission admission) : ISmtpServerHandler
{
    private static readonly SmtpReply NoSuchAccount = new(554, "5.7.8", "The login that XCLIENT names has no account here");

    public ValueTask<SmtpReply?> OnConnectAsync(SmtpPeer peer, CancellationToken cancellationToken)
    {
        // Behind a proxy that says who logged in there: an account of ours is what rights hang on.
        if (peer.AuthenticatedAs is { } login && !intake.Settings.Accounts.ContainsKey(login))
            return new(NoSuchAccount);
        return new(admission.Enter(peer.RemoteEndPoint.Address));
    }

    public ValueTask<string?> IdentifyAsync(
        SmtpPeer peer, X509Certificate2 certificate, IReadOnlyList<X509Certificate2> issuers, CancellationToken cancellationToken)
    {
        var name = intake.Settings.Certificates.Identify(certificate, issuers);
        if (name is not null)
            intake.Log.Certified(peer.RemoteEndPoint.Address.ToString(), name);
        return new(name);
    }

    public SmtpReply? OnError(SmtpPeer peer) => admission.TakeError();

    public async ValueTask<AuthenticationResult> AuthenticateAsync(SmtpPeer peer, string userName, string password, CancellationToken cancellationToken)
    {
        if (admission.TakePassword(userName) is { } later)
            return new AuthenticationResult.NotNow(later);
        var account = intake.Settings.Accounts.GetValueOrDefault(userName);
        // An unknown name costs as much as a wrong password, so that nobody can tell them apart.
        var hash = account?.PasswordHash ?? intake.Settings.NobodysPassword;
        var proved = await Task.Run(() => PasswordHash.Verify(password, hash), cancellationToken) && account is not null;
        if (proved)
        {
            admission.PasswordWasRight(userName);
            return new AuthenticationResult.Proved(account!.Name);
        }
        intake.Log.WrongPassword(peer.RemoteEndPoint.Address.ToString());
        await Task.Delay(admission.PasswordDelay, intake.Time, cancellationToken);
        return new AuthenticationResult.Wrong();
    }

    public ValueTask<SmtpReply> OnMailAsync(SmtpPeer peer, Envelope envelope, CancellationToken cancellationToken)
    {
        var reply = intake.Gate.CheckSender(peer, envelope.Sender);
        if (reply.IsPositive)
            admission.BeginMessage();
        return new(reply);
    }

    public ValueTask<SmtpReply> OnRecipientAsync(
        SmtpPeer peer, Envelope envelope, EnvelopeRecipient recipient, CancellationToken cancellationToken)
    {
        var reply = intake.Gate.CheckRecipient(peer, recipient.Address);
        // Who tries where he may relay makes errors, whatever he writes.
        if (!reply.IsPositive)
            return new(admission.TakeError() ?? reply);
        var isOurPostmaster = intake.Gate.IsOurPostmaster(recipient.Address);
        if (admission.TakeRecipient(isOurPostmaster) is { } tooMany)
            return new(tooMany);
        if (isOurPostmaster)
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

    /// <summary>What any peer can cause, and often, is told like a refusal.</summary>
    public void OnHandshakeFailed(SmtpPeer peer, Exception exception) =>
        intake.Traffic.Refusals.Add(peer.RemoteEndPoint.Address, $"No TLS: {exception.Message}");

    public void OnFault(SmtpPeer peer, Exception exception) => intake.Log.SessionFault(peer.RemoteEndPoint.Address.ToString(), exception);
}
