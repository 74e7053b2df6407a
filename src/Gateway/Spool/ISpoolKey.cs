namespace GatewaySecure.Gateway.Spool;

/// <summary>Wraps the data key of each spool item. Unwrapped once at start, so an HSM outage blocks a restart and not running. Thread-safe.</summary>
internal interface ISpoolKey
{
    /// <summary>At most 64 octets more than the key.</summary>
    byte[] Wrap(ReadOnlySpan<byte> dataKey, ReadOnlySpan<byte> context);

    /// <exception cref="System.Security.Cryptography.CryptographicException">Another key, another context, or altered octets.</exception>
    byte[] Unwrap(ReadOnlySpan<byte> wrapped, ReadOnlySpan<byte> context);
}
