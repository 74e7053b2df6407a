using System.Buffers.Binary;
using GatewaySecure.Pkcs11;

namespace GatewaySecure.HsmAdapter;

/// <summary>How the vault's own objects are called in the HSM, and which attributes every key has (docs/adr/0005).</summary>
internal static class HsmTemplates
{
    public const string VaultKeyLabel = "gatewaysecure-vault";
    public const string BindingKeyLabel = "gatewaysecure-binding";
    public const string StorageKeyLabel = "gatewaysecure-storage";
    public const string TransportLabel = "gatewaysecure-transport";

    /// <summary>What may come out of the vault key's wraps, whoever asks: nothing that is ever readable, nothing that leaves under a key of no trust.</summary>
    private static readonly KeyDemands Kept = new() { Sensitive = true, WrapWithTrusted = true, Derive = false };

    /// <summary>A master key for its one operation.</summary>
    public static KeyTemplate Use { get; } = new(KeyUses.Decrypt) { WrapWithTrusted = true };

    /// <summary>A key on its way from one wrap to another: good for nothing else.</summary>
    public static KeyTemplate Move { get; } = new(KeyUses.None) { Extractable = true, WrapWithTrusted = true };

    /// <summary>
    /// As a session object of the security officer, who alone can make it TRUSTED, and who makes nothing private; the copy that stays is private and not extractable.
    /// </summary>
    public static KeyTemplate VaultKey(int version) => new(KeyUses.Wrap | KeyUses.Unwrap)
    {
        Id = Id(version),
        Private = false,
        Trusted = true,
        Extractable = true,
        Unwrapped = Kept,
        Wrapped = new KeyDemands { WrapWithTrusted = true },
    };

    /// <summary>Before it is wrapped for its rest outside; the copy that stays is not extractable.</summary>
    public static KeyTemplate Own(KeyUses use) => new(use) { Extractable = true, WrapWithTrusted = true };

    /// <summary>A key pair's private half before it is wrapped for its rest outside; the copy that stays is not extractable.</summary>
    public static KeyTemplate Signing { get; } = new(KeyUses.Sign) { Extractable = true, WrapWithTrusted = true };

    /// <summary>The same for a key that opens mail, and signs the request for its certificate.</summary>
    public static KeyTemplate Deciphering { get; } = new(KeyUses.Decrypt | KeyUses.Sign) { Extractable = true, WrapWithTrusted = true };

    /// <summary>This vault's own transport key: opens what other vaults send, into keys that stay kept.</summary>
    public static KeyTemplate Receiving { get; } = new(KeyUses.Unwrap) { Extractable = true, WrapWithTrusted = true, Unwrapped = Kept };

    /// <summary>A receiver's key, made by the security officer.</summary>
    public static KeyTemplate Transport(ReadOnlyMemory<byte> fingerprint, bool onToken) => new(KeyUses.Wrap)
    {
        Label = TransportLabel, Id = fingerprint, Private = false, Trusted = true, OnToken = onToken, Extractable = true, Modifiable = !onToken,
    };

    public static byte[] Id(int version)
    {
        var id = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(id, version);
        return id;
    }

    public static int Version(ReadOnlySpan<byte> id) => id.Length == 4 ? BinaryPrimitives.ReadInt32BigEndian(id) : 0;
}
