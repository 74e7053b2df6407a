using System.Security.Cryptography;
using System.Text;
using GatewaySecure.KdcCore;
using GatewaySecure.Pkcs11;

namespace GatewaySecure.HsmAdapter;

/// <summary>
/// The server's own keys in the HSM, by name: made there when first asked for, wrapped once for their rest outside, from then on not
/// extractable. One that the HSM has not, as after a restore, is brought back from its file. Thread-safe.
/// </summary>
internal sealed class HsmNamedKeys(TokenPool pool, HsmKeyFiles files)
{
    private const string Transport = "transport-rsa";

    private readonly Lock _making = new();

    /// <summary>What keys in memory are derived from: the storage key as a keyed function, the same at each start and on each node.</summary>
    public static byte[] StorageSecret(TokenSession session) => session.DecryptCbc(
        session.Find(TokenObjectKind.SecretKey, HsmTemplates.StorageKeyLabel), SHA256.HashData("GatewaySecure/vault/storage/1"u8));

    public RSA SigningRsa(string name, int bits)
    {
        KeyNames.Demand(name);
        var key = Ensure($"signing-{name}.rsa", HsmTemplates.Signing, (s, label) => GenerateRsa(s, bits, new KeyTemplate(KeyUses.Verify) { Label = label, OnToken = true }, HsmTemplates.Signing));
        return new HsmRsa(pool, key.Label, key.PublicKey);
    }

    public RSA OpeningRsa(string name)
    {
        KeyNames.Demand(name);
        var key = Ensure(
            $"opening-{name}.rsa", HsmTemplates.Deciphering,
            (s, label) => GenerateRsa(s, 3072, new KeyTemplate(KeyUses.None) { Label = label, OnToken = true }, HsmTemplates.Deciphering));
        return new HsmRsa(pool, key.Label, key.PublicKey);
    }

    public ECDsa SigningEcdsa(string name)
    {
        KeyNames.Demand(name);
        var key = Ensure($"signing-{name}.ecdsa", HsmTemplates.Signing, (s, label) => GeneratePair(s, EscrowAlgorithm.EcP256, new KeyTemplate(KeyUses.Verify) { Label = label, OnToken = true }, HsmTemplates.Signing));
        return new HsmEcdsa(pool, key.Label, key.PublicKey);
    }

    /// <summary>To which other vaults send.</summary>
    public (string Label, byte[] PublicKey) TransportKey() => Ensure(
        Transport, HsmTemplates.Receiving,
        (s, label) => GenerateRsa(s, TransportEncryption.MinimumBits, new KeyTemplate(KeyUses.None) { Label = label, OnToken = true }, HsmTemplates.Receiving));

    /// <summary>A pair for escrow, as session objects.</summary>
    public static (TokenKeyPair Pair, byte[] PublicKey) GeneratePair(
        TokenSession session, EscrowAlgorithm algorithm, KeyTemplate publicHalf, KeyTemplate privateHalf)
    {
        var pair = KeyNames.RsaBits(algorithm) is > 0 and var bits
            ? session.GenerateRsa(bits, publicHalf, privateHalf)
            : session.GenerateEc(KeyNames.Curve(algorithm), publicHalf, privateHalf);
        return (pair, PublicKey(session, pair.Public));
    }

    private static (TokenKeyPair Pair, byte[] PublicKey) GenerateRsa(TokenSession session, int bits, KeyTemplate publicHalf, KeyTemplate privateHalf)
    {
        var pair = session.GenerateRsa(bits, publicHalf, privateHalf);
        return (pair, PublicKey(session, pair.Public));
    }

    private static byte[] PublicKey(TokenSession session, TokenObject key)
    {
        if (session.ReadRsa(key) is { } numbers)
        {
            using var rsa = RSA.Create(numbers);
            return rsa.ExportSubjectPublicKeyInfo();
        }
        using var ec = ECDsa.Create(session.ReadEc(key) ?? throw new CryptographicException("The HSM does not tell a public key that it has."));
        return ec.ExportSubjectPublicKeyInfo();
    }

    private (string Label, byte[] PublicKey) Ensure(
        string name, KeyTemplate template, Func<TokenSession, string, (TokenKeyPair Pair, byte[] PublicKey)> generate)
    {
        var label = $"gatewaysecure-{name}";
        lock (_making)
        {
            return pool.Run(session =>
            {
                var known = session.TryFind(TokenObjectKind.PrivateKey, label);
                if (files.Read(name) is { } file)
                {
                    if (known is null)
                        Restore(session, name, label, file.Blob, template);
                    return (label, file.PublicKey);
                }
                if (known is not null)
                    return (label, PublicKey(session, session.Find(TokenObjectKind.PublicKey, label)));
                // Of a making that was interrupted.
                foreach (var half in session.FindAll(TokenObjectKind.PublicKey, label))
                    session.Destroy(half);
                return (label, Make(session, name, label, generate));
            });
        }
    }

    /// <summary>The file of a key of the vault's own, under the newest version of the vault key.</summary>
    public static HsmBlob Rewrap(TokenSession session, string name, HsmBlob blob)
    {
        var bound = Encoding.ASCII.GetBytes(name);
        blob.Demand(session, HsmVault.Binding(session), bound);
        var old = SessionKeys.Of(session).VaultKey(session, blob.Version);
        var (version, vaultKey) = SessionKeys.Of(session).Newest(session);
        var (moved, method) = name switch
        {
            HsmKeyFiles.Binding => (session.UnwrapHmacKey(old, blob.Wrapped, WrapMethod.AesKeyWrap, HsmTemplates.Move), WrapMethod.AesKeyWrap),
            HsmKeyFiles.Storage => (session.UnwrapAes(old, blob.Wrapped, WrapMethod.AesKeyWrap, HsmTemplates.Move), WrapMethod.AesKeyWrap),
            _ when IsRsa(name) => (session.UnwrapRsa(old, blob.Wrapped, WrapMethod.AesKeyWrapPadded, HsmTemplates.Move), WrapMethod.AesKeyWrapPadded),
            _ => (session.UnwrapEc(old, blob.Wrapped, WrapMethod.AesKeyWrapPadded, HsmTemplates.Move), WrapMethod.AesKeyWrapPadded),
        };
        return HsmVault.Using(session, moved, () => HsmBlob.Bind(session, HsmVault.Binding(session), bound, version, session.Wrap(vaultKey, moved, method)));
    }

    private static bool IsRsa(string name) => name == Transport || name.EndsWith(".rsa", StringComparison.Ordinal);

    private byte[] Make(
        TokenSession session, string name, string label, Func<TokenSession, string, (TokenKeyPair Pair, byte[] PublicKey)> generate)
    {
        var (pair, publicKey) = generate(session, label);
        var (version, vaultKey) = SessionKeys.Of(session).Newest(session);
        var wrapped = session.Wrap(vaultKey, pair.Private, WrapMethod.AesKeyWrapPadded);
        files.Write(name, HsmBlob.Bind(session, HsmVault.Binding(session), Encoding.ASCII.GetBytes(name), version, wrapped), publicKey);
        // Nothing is signed with it before it can be restored.
        session.Keep(pair.Private, label);
        return publicKey;
    }

    private static void Restore(TokenSession session, string name, string label, HsmBlob blob, KeyTemplate template)
    {
        blob.Demand(session, HsmVault.Binding(session), Encoding.ASCII.GetBytes(name));
        var vaultKey = SessionKeys.Of(session).VaultKey(session, blob.Version);
        var key = IsRsa(name)
            ? session.UnwrapRsa(vaultKey, blob.Wrapped, WrapMethod.AesKeyWrapPadded, template)
            : session.UnwrapEc(vaultKey, blob.Wrapped, WrapMethod.AesKeyWrapPadded, template);
        session.Keep(key, label);
    }
}
