using System.Security.Cryptography;
using GatewaySecure.KdcCore;
using GatewaySecure.Pkcs11;

namespace GatewaySecure.HsmAdapter;

/// <summary>
/// The vault in an HSM, through PKCS#11: keys are made there, rest outside wrapped by a vault key that never leaves it, and are
/// unwrapped there for use. Which attributes hold this is docs/adr/0005. An HSM that goes away fails every call with
/// <see cref="TokenException"/>, and serves again by itself when it is back. Thread-safe.
/// </summary>
public sealed class HsmVault : IKeyVault, IRewrappingVault
{
    private readonly TokenPool _pool;
    private readonly HsmKeyFiles _files;
    private readonly HsmNamedKeys _named;
    private readonly KeyBox _spool;
    private readonly int _keptKeys;
    private volatile int _newest;

    private HsmVault(TokenPool pool, HsmKeyFiles files, string description, bool isForTrials, byte[] storage, int newest, int keptKeys)
    {
        _keptKeys = keptKeys;
        _pool = pool;
        _files = files;
        _named = new HsmNamedKeys(pool, files);
        _newest = newest;
        pool.StateChanged += state => ProblemChanged?.Invoke(state.Problem);
        Description = description;
        IsForTrials = isForTrials;
        _spool = new KeyBox(storage, SpoolKey.Purpose);
        Spool = new SpoolKey(_spool);
        Marks = new MarkKey(storage);
    }

    public event Action<string?>? ProblemChanged;

    public string Description { get; }

    /// <summary>SoftHSM keeps its keys in files.</summary>
    public bool IsForTrials { get; }

    public SpoolKey Spool { get; }

    public MarkKey Marks { get; }

    /// <summary>Whether the HSM is there, as the last calls found it.</summary>
    public TokenState State => _pool.State;

    internal TokenPool Pool => _pool;

    /// <summary>Asks the HSM once, for the keys that live in memory; from then on it may be away for a time.</summary>
    /// <exception cref="TokenException">It is not there, refuses the PIN, or has no vault key yet.</exception>
    public static HsmVault Open(HsmOptions options, string stateDirectory, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(options);
        var pool = new TokenPool(new TokenPoolOptions(options.ModulePath, options.Token, () => PinFile.Read(options.PinFile), options.Sessions), time);
        try
        {
            var files = HsmKeyFiles.Below(stateDirectory);
            var token = Pkcs11Module.Load(options.ModulePath);
            var (newest, storage) = pool.Run(session => (SessionKeys.Of(session).Newest(session).Version, HsmNamedKeys.StorageSecret(session)));
            try
            {
                var model = token.Find(options.Token).Token!;
                var trial = model.Manufacturer.StartsWith("SoftHSM", StringComparison.Ordinal);
                var description = trial ? $"SoftHSM token '{model.Label}', for trials" : $"HSM token '{model.Label}' ({model.Manufacturer} {model.Model})";
                return new HsmVault(pool, files, description, trial, storage, newest, options.KeptKeys);
            }
            finally
            {
                CryptographicOperations.ZeroMemory(storage);
            }
        }
        catch
        {
            pool.Dispose();
            throw;
        }
    }

    public ValueTask<WrappedMasterKey> GenerateAsync(MasterKeyName name, CancellationToken cancellationToken) => RunAsync(
        session => new WrappedMasterKey(name, Wrap(session, session.GenerateAes(HsmTemplates.Move), KeyNames.Of(name), WrapMethod.AesKeyWrap)), cancellationToken);

    public ValueTask<byte[]> DecryptBlocksAsync(WrappedMasterKey key, ReadOnlyMemory<byte> input, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(key);
        if (input.Length != 32)
            throw new ArgumentException("The master key operation takes 32 octets.", nameof(input));
        var blocks = input.ToArray();
        return RunAsync(session => SessionKeys.Of(session).Use(session, key, _keptKeys, unwrapped => session.DecryptCbc(unwrapped, blocks)), cancellationToken);
    }

    public ValueTask<string?> ObjectionToAsync(ReadOnlyMemory<byte> transportKey, CancellationToken cancellationToken) =>
        RunAsync(session => TrustedTransport.Find(session, transportKey).Objection, cancellationToken);

    public ValueTask<byte[]> SendAsync(WrappedMasterKey key, ReadOnlyMemory<byte> transportKey, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(key);
        return RunAsync(
            session =>
            {
                var receiver = TrustedTransport.Demand(session, transportKey);
                var moved = Unwrap(session, key);
                return Using(session, moved, () => session.Wrap(receiver, moved, WrapMethod.RsaOaepSha1));
            },
            cancellationToken);
    }

    public ValueTask<byte[]> TransportKeyAsync(CancellationToken cancellationToken) => new(_named.TransportKey().PublicKey);

    public ValueTask<WrappedMasterKey> ReceiveAsync(MasterKeyName name, ReadOnlyMemory<byte> encrypted, CancellationToken cancellationToken)
    {
        var label = _named.TransportKey().Label;
        return RunAsync(
            session =>
            {
                var wrapped = Wrap(
                    session,
                    session.UnwrapAes(session.Find(TokenObjectKind.PrivateKey, label), encrypted.Span, WrapMethod.RsaOaepSha1, HsmTemplates.Move),
                    KeyNames.Of(name), WrapMethod.AesKeyWrap);
                // RFC 3394 adds eight octets.
                return HsmBlob.Decode(wrapped).Wrapped.Length == 40
                    ? new WrappedMasterKey(name, wrapped)
                    : throw new CryptographicException("What was received is no master key.");
            },
            cancellationToken,
            received: true);
    }

    public ValueTask<EscrowedKey> GenerateEscrowedAsync(PrincipalId principal, EscrowAlgorithm algorithm, CancellationToken cancellationToken) => RunAsync(
        session =>
        {
            var (pair, spki) = HsmNamedKeys.GeneratePair(session, algorithm, new KeyTemplate(KeyUses.Encrypt), HsmTemplates.Move);
            var key = new EscrowedKey(principal, algorithm, spki, default);
            session.Destroy(pair.Public);
            return key with { Wrapped = Wrap(session, pair.Private, KeyNames.Of(key), WrapMethod.AesKeyWrapPadded) };
        },
        cancellationToken);

    public ValueTask<byte[]> SendEscrowedAsync(EscrowedKey key, ReadOnlyMemory<byte> transportKey, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(key);
        return RunAsync(
            session =>
            {
                TrustedTransport.Demand(session, transportKey);
                var (carrier, carrierKey) = TrustedTransport.Carrier(session, transportKey, _files);
                var moved = UnwrapEscrowed(session, key);
                return Using<byte[]>(session, moved, () => [.. carrierKey, .. session.Wrap(carrier, moved, WrapMethod.AesKeyWrapPadded)]);
            },
            cancellationToken);
    }

    public RSA OrganisationRsaKey(string name, int bits = 3072) => _named.SigningRsa(name, bits);

    public RSA OrganisationOpeningKey(string name) => _named.OpeningRsa(name);

    public ECDsa OrganisationEcdsaKey(string name) => _named.SigningEcdsa(name);

    public bool IsCurrent(WrappedMasterKey key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return HsmBlob.Decode(key.Wrapped.Span).Version == _newest;
    }

    public bool IsCurrent(EscrowedKey key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return HsmBlob.Decode(key.Wrapped.Span).Version == _newest;
    }

    public ValueTask<EscrowedKey> RewrapAsync(EscrowedKey key, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(key);
        return RunAsync(
            session => key with { Wrapped = Wrap(session, UnwrapEscrowed(session, key), KeyNames.Of(key), WrapMethod.AesKeyWrapPadded) }, cancellationToken);
    }

    public ValueTask<WrappedMasterKey> RewrapAsync(WrappedMasterKey key, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(key);
        return RunAsync(session => key with { Wrapped = Wrap(session, Unwrap(session, key), KeyNames.Of(key.Name), WrapMethod.AesKeyWrap) }, cancellationToken);
    }

    /// <summary>The versions of the vault key, which of them wraps, and whether each is as it must be.</summary>
    public ValueTask<IReadOnlyList<VaultKeyState>> VersionsAsync(CancellationToken cancellationToken) => RunAsync<IReadOnlyList<VaultKeyState>>(
        session =>
        {
            var versions = SessionKeys.Of(session).ReadVersions(session);
            return [.. versions.OrderBy(v => v.Key).Select(v => VaultKeyState.Of(v.Key, v.Key == versions.Keys.Max(), session.Describe(v.Value)))];
        },
        cancellationToken);

    /// <summary>The SHA-256 of each transport key that the security officer registered.</summary>
    public ValueTask<IReadOnlyList<string>> ReceiversAsync(CancellationToken cancellationToken) => RunAsync<IReadOnlyList<string>>(
        session => [.. session.FindAll(TokenObjectKind.PublicKey, HsmTemplates.TransportLabel)
            .Where(k => session.Describe(k) is { Trusted: true })
            .Select(k => Convert.ToHexStringLower(session.Id(k)))],
        cancellationToken);

    /// <summary>Learns the newest version of the vault key, under which everything new comes from now on.</summary>
    internal ValueTask<int> ReadNewestAsync(CancellationToken cancellationToken) =>
        RunAsync(session => _newest = SessionKeys.Of(session).Newest(session).Version, cancellationToken);

    /// <summary>The files of the vault's own keys, under the newest version.</summary>
    internal async ValueTask RewrapFilesAsync(CancellationToken cancellationToken)
    {
        foreach (var name in _files.Names())
        {
            await RunAsync(
                session =>
                {
                    var (blob, publicKey) = _files.Read(name)!.Value;
                    if (blob.Version != _newest)
                        _files.Write(name, HsmNamedKeys.Rewrap(session, name, blob), publicKey);
                    return true;
                },
                cancellationToken);
        }
    }

    internal bool FilesAreCurrent() => _files.Names().All(name => _files.Read(name)!.Value.Blob.Version == _newest);

    internal ValueTask<int> DestroyOldVersionsAsync(CancellationToken cancellationToken) => RunAsync(
        session =>
        {
            var old = SessionKeys.Of(session).ReadVersions(session).Where(v => v.Key < _newest).ToList();
            foreach (var (_, key) in old)
                session.Destroy(key);
            return old.Count;
        },
        cancellationToken);

    public void Dispose()
    {
        _spool.Dispose();
        Marks.Dispose();
        _pool.Dispose();
    }

    internal static TokenObject Binding(TokenSession session) => session.Find(TokenObjectKind.SecretKey, HsmTemplates.BindingKeyLabel);

    internal static T Using<T>(TokenSession session, TokenObject key, Func<T> use)
    {
        try
        {
            return use();
        }
        finally
        {
            session.Destroy(key);
        }
    }

    private static TokenObject Unwrap(TokenSession session, WrappedMasterKey key)
    {
        var blob = HsmBlob.Decode(key.Wrapped.Span);
        blob.Demand(session, Binding(session), KeyNames.Of(key.Name));
        return session.UnwrapAes(SessionKeys.Of(session).VaultKey(session, blob.Version), blob.Wrapped, WrapMethod.AesKeyWrap, HsmTemplates.Move);
    }

    private static TokenObject UnwrapEscrowed(TokenSession session, EscrowedKey key)
    {
        var blob = HsmBlob.Decode(key.Wrapped.Span);
        blob.Demand(session, Binding(session), KeyNames.Of(key));
        var vaultKey = SessionKeys.Of(session).VaultKey(session, blob.Version);
        return KeyNames.RsaBits(key.Algorithm) > 0
            ? session.UnwrapRsa(vaultKey, blob.Wrapped, WrapMethod.AesKeyWrapPadded, HsmTemplates.Move)
            : session.UnwrapEc(vaultKey, blob.Wrapped, WrapMethod.AesKeyWrapPadded, HsmTemplates.Move);
    }

    /// <summary>Under the newest vault key; the object is destroyed.</summary>
    private byte[] Wrap(TokenSession session, TokenObject key, byte[] name, WrapMethod method)
    {
        return Using(session, key, () =>
        {
            var (version, vaultKey) = SessionKeys.Of(session).Newest(session);
            _newest = version;
            return HsmBlob.Bind(session, Binding(session), name, version, session.Wrap(vaultKey, key, method)).Encode();
        });
    }

    private async ValueTask<T> RunAsync<T>(Func<TokenSession, T> call, CancellationToken cancellationToken, bool received = false)
    {
        try
        {
            return await _pool.RunAsync(call, cancellationToken);
        }
        // SoftHSM answers octets that do not decrypt with its general error.
        catch (TokenException e) when (e.Fault == TokenFault.BadData || received && e.Fault is TokenFault.Failed or TokenFault.NotSupported)
        {
            throw new CryptographicException(e.Message, e);
        }
    }
}

/// <summary>Which HSM.</summary>
/// <param name="PinFile">The user's PIN, one line, mode 0600.</param>
/// <param name="Sessions">At the same time, at most.</param>
/// <param name="KeptKeys">Master keys that each session keeps unwrapped, at most; none: each is unwrapped for one operation.</param>
public sealed record HsmOptions(string ModulePath, TokenSelector Token, string PinFile, int Sessions = 8, int KeptKeys = 0)
{
    /// <summary>The token of that label, with the module and the PIN file.</summary>
    public static HsmOptions For(string modulePath, string? label, string? serial, string pinFile) => new(modulePath, new TokenSelector(label, serial), pinFile);

    /// <summary>What the security officer needs beside his PIN.</summary>
    /// <exception cref="IOException">The PIN file can't be read, or others may read it.</exception>
    public HsmCeremonyOptions ForCeremony(string officerPin) => new(ModulePath, Token, officerPin, Pkcs11.PinFile.Read(PinFile));
}
