namespace GatewaySecure.MailProtection.Opening;

internal sealed class OpeningSession(IMailContent message, OpeningKeys keys, TimeProvider time)
{
    public ValueTask<OpenOutcome> RunAsync(Stream output, CancellationToken cancellationToken)
    {
        _ = (message, keys, time, output, cancellationToken);
        return ValueTask.FromResult<OpenOutcome>(new OpenOutcome.Refused(OpenFailure.NotProtected, "Nothing in it is protected.", []));
    }
}
