using System.Security.Cryptography;
using GatewaySecure.KdcCore;
using GatewaySecure.Pkcs11;

namespace GatewaySecure.HsmAdapter;

/// <summary>
/// What one session knows: the versions of the vault key, and, where that is wanted, the master keys that it unwrapped lately, the one used longest
/// ago being destroyed first. It goes with the session. A key is found again only under the very octets that were checked.
/// </summary>
internal sealed class SessionKeys
{
    private readonly Dictionary<MasterKeyName, LinkedListNode<Entry>> _byName = [];
    private readonly LinkedList<Entry> _byUse = [];
    private Dictionary<int, TokenObject> _versions = [];

    /// <summary>How many unwrapped keys the session holds.</summary>
    public int Count => _byName.Count;

    public static SessionKeys Of(TokenSession session) => session.Companion<SessionKeys>();

    public TokenObject VaultKey(TokenSession session, int version)
    {
        if (_versions.TryGetValue(version, out var key))
            return key;
        return ReadVersions(session).TryGetValue(version, out key)
            ? key
            : throw new TokenException(TokenFault.NotFound, $"The HSM has no vault key of version {version}.");
    }

    /// <summary>The vault key that wraps, as the HSM has it now.</summary>
    public (int Version, TokenObject Key) Newest(TokenSession session)
    {
        var versions = ReadVersions(session);
        if (versions.Count == 0)
            throw new TokenException(TokenFault.NotFound, "The HSM has no vault key; 'kdc vault init' makes one.");
        var newest = versions.Keys.Max();
        return (newest, versions[newest]);
    }

    /// <summary>Only what the security officer made counts: any user can put a key of that name beside it.</summary>
    public Dictionary<int, TokenObject> ReadVersions(TokenSession session) => _versions = session
        .FindAll(TokenObjectKind.SecretKey, HsmTemplates.VaultKeyLabel)
        .Select(k => (Version: HsmTemplates.Version(session.Id(k)), Key: k))
        .Where(k => k.Version > 0 && session.Describe(k.Key) is { OnToken: true, Trusted: true })
        .ToDictionary(k => k.Version, k => k.Key);

    /// <summary>Uses the master key as a session object of the template <see cref="HsmTemplates.Use"/>.</summary>
    /// <param name="keep">Keys to keep for the next time; none: it is destroyed after this operation.</param>
    /// <exception cref="CryptographicException">The row was changed or moved.</exception>
    public T Use<T>(TokenSession session, WrappedMasterKey key, int keep, Func<TokenObject, T> operation)
    {
        if (keep > 0)
            return operation(Kept(session, key, keep));
        var unwrapped = Unwrap(session, key);
        return HsmVault.Using(session, unwrapped, () => operation(unwrapped));
    }

    private TokenObject Kept(TokenSession session, WrappedMasterKey key, int keep)
    {
        if (_byName.TryGetValue(key.Name, out var node))
        {
            if (node.Value.Row.AsSpan().SequenceEqual(key.Wrapped.Span))
            {
                _byUse.Remove(node);
                _byUse.AddFirst(node);
                return node.Value.Key;
            }
            Drop(session, node);
        }
        var unwrapped = Unwrap(session, key);
        if (_byName.Count >= keep)
            Drop(session, _byUse.Last!);
        _byName[key.Name] = _byUse.AddFirst(new Entry(key.Name, key.Wrapped.ToArray(), unwrapped));
        return unwrapped;
    }

    private TokenObject Unwrap(TokenSession session, WrappedMasterKey key)
    {
        var blob = HsmBlob.Decode(key.Wrapped.Span);
        blob.Demand(session, HsmVault.Binding(session), KeyNames.Of(key.Name));
        return session.UnwrapAes(VaultKey(session, blob.Version), blob.Wrapped, WrapMethod.AesKeyWrap, HsmTemplates.Use);
    }

    private void Drop(TokenSession session, LinkedListNode<Entry> node)
    {
        _byUse.Remove(node);
        _byName.Remove(node.Value.Name);
        session.Destroy(node.Value.Key);
    }

    private sealed record Entry(MasterKeyName Name, byte[] Row, TokenObject Key);
}
