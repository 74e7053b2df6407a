namespace GatewaySecure.KdcTransport.Operator;

/// <summary>What a second operator's card signs to approve a recovery: all that it does, and for whom.</summary>
public static class RecoveryText
{
    public static string Of(string realm, string recovery, string principal, string card, string requestedBy, string approvedBy, string reason) =>
        $"GatewaySecure/operator/recovery/1\n{realm}\n{recovery}\n{principal}\n{card}\n{requestedBy}\n{approvedBy}\n{reason}";
}
