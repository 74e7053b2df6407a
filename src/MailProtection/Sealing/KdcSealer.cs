namespace GatewaySecure.MailProtection.Sealing;

internal static class KdcSealer
{
    public static ValueTask<ProtectionOutcome> SealAsync(KdcOrder order, CancellationToken cancellationToken)
    {
        _ = (order, cancellationToken);
        return ValueTask.FromResult<ProtectionOutcome>(new ProtectionOutcome.Deferred("KDC mail can't be made yet."));
    }
}
