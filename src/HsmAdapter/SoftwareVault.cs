using System.Security.Cryptography;
using System.Text;
using GatewaySecure.KdcCore;

namespace GatewaySecure.HsmAdapter;

/// <summary>
/// The vault without an HSM, for trials: the vault key lies in a file, and clear keys exist in this process's memory
/// for the time of one operation. What it wraps is bound to its name, so rows that were swapped or changed fail
/// with <see cref="CryptographicException"/>. Thread-safe. Everything that shows it must say <see cref="Description"/>.
/// </summary>
public sealed class SoftwareVault : IKeyVault, IClearMasterKeyVault
{
    private const int KeySize = 32;
    private const string TransportKeyName = "transport";

    private readonly KeyBox _masterKeys;
    private readonly KeyBox _escrow;
    private readonly KeyBox _spool;
    private readonly KeyBox _signing;
    private readonly string _directory;

    private SoftwareVault(string directory, ReadOnlySpan<byte> vaultKey)
    {
        _directory = directory;
        _masterKeys = new KeyBox(vaultKey, "GatewaySecure/vault/master-keys/1");
        _escrow = new KeyBox(vaultKey, "GatewaySecure/vault/escrow/1");
        _spool = new KeyBox(vaultKey, SpoolKey.Purpose);
        _signing = new KeyBox(vaultKey, "GatewaySecure/vault/signing/1");
        Spool = new SpoolKey(_spool);
        Marks = new MarkKey(vaultKey);
    }

    /// <summary>Never: it is there as long as the program.</summary>
    public event Action<string?>? ProblemChanged
    {
        add { }
        remove { }
    }

    public string Description => "software vault, for trials";

    public bool IsForTrials => true;

    /// <summary>For the spool's data keys; the same one at each start.</summary>
    public SpoolKey Spool { get; }

    /// <summary>For the marks on mail that was dealt with.</summary>
    public MarkKey Marks { get; }

    /// <summary>Whether the directory's keys are in such a vault already.</summary>
    public static bool Exists(string stateDirectory) => File.Exists(KeyFile(stateDirectory));

    /// <summary>Keys below <c>vault/</c> of the state directory, made at the first start.</summary>
    /// <exception cref="InvalidDataException">The key file is damaged, or others may read it.</exception>
    public static SoftwareVault OpenOrCreate(string stateDirectory)
    {
        var directory = Path.Combine(stateDirectory, "vault");
        DurableFile.CreateDirectory(directory);
        var key = TrialKeyFile.OpenOrCreate(KeyFile(stateDirectory));
        try
        {
            return new SoftwareVault(directory, key);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    /// <summary>The organisation's RSA signing key of that name, made when first asked for. The caller disposes it.</summary>
    /// <param name="bits">Of a key that is made; one that is there stays as it is.</param>
    public RSA OrganisationRsaKey(string name, int bits = 3072)
    {
        var rsa = RSA.Create(bits);
        return (RSA)LoadOrStore(name, "rsa", rsa);
    }

    public RSA OrganisationOpeningKey(string name) => (RSA)LoadOrStore($"opening-{name}", "rsa", RSA.Create(3072));

    /// <summary>The organisation's signing key of that name, ECDSA P-256, made when first asked for. The caller disposes it.</summary>
    public ECDsa OrganisationEcdsaKey(string name)
    {
        var ecdsa = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return (ECDsa)LoadOrStore(name, "ecdsa", ecdsa);
    }

    public ValueTask<WrappedMasterKey> GenerateAsync(MasterKeyName name, CancellationToken cancellationToken)
    {
        Span<byte> key = stackalloc byte[KeySize];
        RandomNumberGenerator.Fill(key);
        var wrapped = _masterKeys.Seal(key, KeyNames.Of(name));
        CryptographicOperations.ZeroMemory(key);
        return new(new WrappedMasterKey(name, wrapped));
    }

    public ValueTask<byte[]> DecryptBlocksAsync(WrappedMasterKey key, ReadOnlyMemory<byte> input, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(key);
        if (input.Length != KeySize)
            throw new ArgumentException("The master key operation takes 32 octets.", nameof(input));
        Span<byte> clear = stackalloc byte[KeySize];
        Span<byte> zero = stackalloc byte[16];
        zero.Clear();
        try
        {
            _masterKeys.Open(key.Wrapped.Span, KeyNames.Of(key.Name), clear);
            using var aes = Aes.Create();
            aes.SetKey(clear);
            return new(aes.DecryptCbc(input.Span, zero, PaddingMode.None));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(clear);
        }
    }

    public async ValueTask ReleaseAsync(
        WrappedMasterKey key, Func<ReadOnlyMemory<byte>, CancellationToken, ValueTask> use, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(use);
        // Pinned: the collector must not leave copies behind.
        var clear = GC.AllocateArray<byte>(KeySize, pinned: true);
        try
        {
            _masterKeys.Open(key.Wrapped.Span, KeyNames.Of(key.Name), clear);
            await use(clear, cancellationToken);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(clear);
        }
    }

    public ValueTask<string?> ObjectionToAsync(ReadOnlyMemory<byte> transportKey, CancellationToken cancellationToken)
    {
        using var rsa = TransportEncryption.ReadKey(transportKey.Span);
        return new(rsa is null ? $"The transport key is not an RSA key of at least {TransportEncryption.MinimumBits} bits." : null);
    }

    public async ValueTask<byte[]> SendAsync(WrappedMasterKey key, ReadOnlyMemory<byte> transportKey, CancellationToken cancellationToken)
    {
        using var rsa = Receiver(transportKey);
        byte[] sent = [];
        await ReleaseAsync(
            key,
            (clear, _) =>
            {
                sent = rsa.Encrypt(clear.Span, TransportEncryption.Padding);
                return default;
            },
            cancellationToken);
        return sent;
    }

    public ValueTask<EscrowedKey> GenerateEscrowedAsync(PrincipalId principal, EscrowAlgorithm algorithm, CancellationToken cancellationToken)
    {
        using AsymmetricAlgorithm pair = KeyNames.RsaBits(algorithm) is > 0 and var bits
            ? RSA.Create(bits) : ECDiffieHellman.Create(KeyNames.Curve(algorithm));
        var key = new EscrowedKey(principal, algorithm, pair.ExportSubjectPublicKeyInfo(), default);
        var clear = pair.ExportPkcs8PrivateKey();
        key = key with { Wrapped = _escrow.Seal(clear, KeyNames.Of(key)) };
        CryptographicOperations.ZeroMemory(clear);
        return new(key);
    }

    public ValueTask<byte[]> SendEscrowedAsync(EscrowedKey key, ReadOnlyMemory<byte> transportKey, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(key);
        using var rsa = Receiver(transportKey);
        var clear = GC.AllocateArray<byte>(Math.Max(0, key.Wrapped.Length - KeyBox.Overhead), pinned: true);
        try
        {
            _escrow.Open(key.Wrapped.Span, KeyNames.Of(key), clear);
            return new(TransportEncryption.SealPrivateKey(rsa, clear));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(clear);
        }
    }

    public ValueTask<byte[]> TransportKeyAsync(CancellationToken cancellationToken)
    {
        using var rsa = OrganisationRsaKey(TransportKeyName);
        return new(rsa.ExportSubjectPublicKeyInfo());
    }

    public ValueTask<WrappedMasterKey> ReceiveAsync(MasterKeyName name, ReadOnlyMemory<byte> encrypted, CancellationToken cancellationToken)
    {
        using var rsa = OrganisationRsaKey(TransportKeyName);
        var clear = rsa.Decrypt(encrypted.Span, TransportEncryption.Padding);
        try
        {
            if (clear.Length != KeySize)
                throw new CryptographicException("What was received is no master key.");
            return new(new WrappedMasterKey(name, _masterKeys.Seal(clear, KeyNames.Of(name))));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(clear);
        }
    }

    public void Dispose()
    {
        _masterKeys.Dispose();
        _escrow.Dispose();
        _spool.Dispose();
        _signing.Dispose();
        Marks.Dispose();
    }

    private static string KeyFile(string stateDirectory) => Path.Combine(stateDirectory, "vault", "vault-key.trial");

    private static RSA Receiver(ReadOnlyMemory<byte> transportKey) => TransportEncryption.ReadKey(transportKey.Span)
        ?? throw new CryptographicException($"The transport key is not an RSA key of at least {TransportEncryption.MinimumBits} bits.");

    /// <summary>Stores the fresh key where there is none yet, and returns the stored one.</summary>
    private AsymmetricAlgorithm LoadOrStore(string name, string kind, AsymmetricAlgorithm key)
    {
        KeyNames.Demand(name);
        var path = Path.Combine(_directory, $"signing-{name}.{kind}.wrapped");
        var context = Encoding.ASCII.GetBytes($"{kind}/{name}");
        if (!File.Exists(path))
        {
            var fresh = key.ExportPkcs8PrivateKey();
            DurableFile.CreateNew(path, _signing.Seal(fresh, context));
            CryptographicOperations.ZeroMemory(fresh);
        }
        var wrapped = File.ReadAllBytes(path);
        var clear = GC.AllocateArray<byte>(Math.Max(0, wrapped.Length - KeyBox.Overhead), pinned: true);
        try
        {
            _signing.Open(wrapped, context, clear);
            key.ImportPkcs8PrivateKey(clear, out _);
            return key;
        }
        catch
        {
            key.Dispose();
            throw;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(clear);
        }
    }
}
