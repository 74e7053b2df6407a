namespace GatewaySecure.MailProtection.Sealing;

internal static class SmimeSealer
{
    public static ValueTask<ProtectionOutcome> SealAsync(SmimeOrder order, TimeProvider time, CancellationToken cancellationToken)
    {
        _ = (order, time, cancellationToken);
        return ValueTask.FromResult<ProtectionOutcome>(new ProtectionOutcome.Deferred("S/MIME can't be made yet."));
    }
}
