using System.Buffers.Binary;
using System.Security.Cryptography;
using GatewaySecure.Pkcs11;

namespace GatewaySecure.HsmAdapter;

/// <summary>
/// A key as it rests outside the HSM: 'H' '1' ‖ version of the vault key (4 octets) ‖ the key wrapped under it ‖ HMAC-SHA-256 (32 octets),
/// by a key of the HSM, over what the key is for, the version and the wrapped key. So whoever edits rows can neither change one nor put it elsewhere.
/// </summary>
internal readonly record struct HsmBlob(int Version, byte[] Wrapped, byte[] Mac)
{
    private const int MacSize = 32;
    private const int HeaderSize = 6;

    private static ReadOnlySpan<byte> Purpose => "GatewaySecure/vault/bound/1"u8;

    /// <exception cref="CryptographicException">Not one of these.</exception>
    public static HsmBlob Decode(ReadOnlySpan<byte> octets)
    {
        if (octets.Length < HeaderSize + 24 + MacSize || octets[0] != (byte)'H' || octets[1] != (byte)'1')
            throw new CryptographicException("This is no key that an HSM vault wrapped.");
        return new HsmBlob(BinaryPrimitives.ReadInt32BigEndian(octets[2..]), octets[HeaderSize..^MacSize].ToArray(), octets[^MacSize..].ToArray());
    }

    public byte[] Encode()
    {
        var octets = new byte[HeaderSize + Wrapped.Length + MacSize];
        octets[0] = (byte)'H';
        octets[1] = (byte)'1';
        BinaryPrimitives.WriteInt32BigEndian(octets.AsSpan(2), Version);
        Wrapped.CopyTo(octets, HeaderSize);
        Mac.CopyTo(octets, HeaderSize + Wrapped.Length);
        return octets;
    }

    /// <summary>With the MAC that binds it to its name.</summary>
    public static HsmBlob Bind(TokenSession session, TokenObject bindingKey, byte[] name, int version, byte[] wrapped) =>
        new(version, wrapped, session.Hmac(bindingKey, Bound(name, version, wrapped)));

    /// <exception cref="CryptographicException">It was changed, or belongs to another name.</exception>
    public void Demand(TokenSession session, TokenObject bindingKey, byte[] name)
    {
        if (!CryptographicOperations.FixedTimeEquals(session.Hmac(bindingKey, Bound(name, Version, Wrapped)), Mac))
            throw new CryptographicException("A wrapped key was changed, or was put in another one's place.");
    }

    private static byte[] Bound(byte[] name, int version, byte[] wrapped)
    {
        Span<byte> numbers = stackalloc byte[8];
        BinaryPrimitives.WriteInt32BigEndian(numbers, name.Length);
        BinaryPrimitives.WriteInt32BigEndian(numbers[4..], version);
        return [.. Purpose, .. numbers[..4], .. name, .. numbers[4..], .. wrapped];
    }
}
