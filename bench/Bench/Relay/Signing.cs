namespace GatewaySecure.Bench.Relay;

/// <summary>Which key of the organisation signs: what a fresh gateway makes, or what many CAs still certify only.</summary>
internal enum Signing
{
    P256,
    Rsa2048,
}

/// <summary>How the keys are called.</summary>
internal static class SigningNames
{
    public static string Name(this Signing signing) => signing == Signing.P256 ? "ECDSA P-256" : "RSA-2048";
}
