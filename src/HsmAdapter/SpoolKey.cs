namespace GatewaySecure.HsmAdapter;

/// <summary>
/// Wraps the data keys of spool items, in memory, so that a vault that is away blocks a restart but not running.
/// Fast and thread-safe. A key opens only with the context it was wrapped with, such as the item's id.
/// </summary>
public sealed class SpoolKey
{
    internal const string Purpose = "GatewaySecure/vault/spool/1";

    private readonly KeyBox _box;

    internal SpoolKey(KeyBox box) => _box = box;

    /// <returns>32 octets more than <paramref name="dataKey"/>.</returns>
    public byte[] Wrap(ReadOnlySpan<byte> dataKey, ReadOnlySpan<byte> context) => _box.Seal(dataKey, context);

    /// <exception cref="System.Security.Cryptography.CryptographicException">Changed, or wrapped with another key or context.</exception>
    public byte[] Unwrap(ReadOnlySpan<byte> wrapped, ReadOnlySpan<byte> context)
    {
        var dataKey = new byte[Math.Max(0, wrapped.Length - KeyBox.Overhead)];
        _box.Open(wrapped, context, dataKey);
        return dataKey;
    }
}
