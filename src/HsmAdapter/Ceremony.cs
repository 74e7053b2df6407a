using System.Security.Cryptography;
using System.Text;
using GatewaySecure.Pkcs11;

namespace GatewaySecure.HsmAdapter;

/// <summary>Who keeps a share.</summary>
public sealed record ShareOfficer(string Name, string Passphrase);

/// <summary>What comes out of a ceremony: the backup for the archive, and a share for each officer.</summary>
public sealed record CeremonyResult(int Version, VaultBackup Backup, IReadOnlyList<VaultShare> Shares);

/// <summary>
/// What the security officer does with the HSM, in a program that serves nobody meanwhile (docs/operations/hsm.md): makes a version of the
/// vault key with its M-of-N backup, restores one, registers receivers. The vault key is extractable within the ceremony alone, as a session object.
/// </summary>
public sealed class Ceremony(HsmCeremonyOptions options, string stateDirectory, TimeProvider time, Action<string>? progress = null)
{
    private readonly HsmKeyFiles _files = HsmKeyFiles.Below(stateDirectory);

    /// <summary>A new version of the vault key: the first one, with the vault's other keys, or the next one.</summary>
    /// <param name="threshold">So many shares restore it.</param>
    /// <param name="save">Gets backup and shares and puts them where they are kept, before anything rests on the new key; what it throws ends the ceremony with nothing changed.</param>
    public CeremonyResult MakeVaultKey(IReadOnlyList<ShareOfficer> officers, int threshold, Action<CeremonyResult> save)
    {
        ArgumentNullException.ThrowIfNull(officers);
        ArgumentNullException.ThrowIfNull(save);
        if (threshold < 2 || threshold > officers.Count)
            throw new ArgumentException("At least two officers must come together, and no more than there are.");
        if (officers.DistinctBy(o => o.Name).Count() != officers.Count || officers.Any(o => string.IsNullOrWhiteSpace(o.Name) || o.Passphrase.Length < 8))
            throw new ArgumentException("Each officer has a name of his own and a passphrase of at least 8 characters.");
        using var token = Open();
        DemandLogin(token, TokenRole.User, options.UserPin);
        var version = 1 + token.Run(s => new SessionKeys().ReadVersions(s).Keys.DefaultIfEmpty(0).Max());
        DemandLogin(token, TokenRole.SecurityOfficer, options.OfficerPin);

        // Pinned: the collector must not leave copies behind.
        var backupKey = GC.AllocateArray<byte>(32, pinned: true);
        RandomNumberGenerator.Fill(backupKey);
        try
        {
            progress?.Invoke($"The HSM makes version {version} of the vault key.");
            var (made, wrapped) = token.Run(s =>
            {
                var wrapping = s.ImportAes(backupKey, new KeyTemplate(KeyUses.Wrap) { Private = false });
                var key = s.GenerateAes(HsmTemplates.VaultKey(version));
                return HsmVault.Using(s, wrapping, () => (key, s.Wrap(wrapping, key, WrapMethod.AesKeyWrap)));
            });
            var result = Share(backupKey, version, wrapped, officers, threshold);
            progress?.Invoke("Backup and shares are written.");
            save(result);
            DemandLogin(token, TokenRole.User, options.UserPin);
            token.Run(s => Keep(s, made, version));
            return result;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(backupKey);
        }
    }

    /// <summary>Whether these shares would restore that backup; no HSM is touched.</summary>
    /// <exception cref="CryptographicException">They would not.</exception>
    public static void Verify(VaultBackup backup, IReadOnlyList<(VaultShare Share, string Passphrase)> shares) => CryptographicOperations.ZeroMemory(Open(backup, shares));

    /// <summary>Puts a version of the vault key into an HSM that has it not, and brings the vault's other keys back from their files.</summary>
    /// <exception cref="CryptographicException">The shares do not open the backup.</exception>
    public void Restore(VaultBackup backup, IReadOnlyList<(VaultShare Share, string Passphrase)> shares)
    {
        ArgumentNullException.ThrowIfNull(backup);
        ArgumentNullException.ThrowIfNull(shares);
        var backupKey = Open(backup, shares);
        try
        {
            progress?.Invoke("The shares open the backup.");
            Restore(backup, backupKey);
            progress?.Invoke($"Version {backup.Version} of the vault key is in the HSM again.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(backupKey);
        }
    }

    private void Restore(VaultBackup backup, byte[] backupKey)
    {
        if (_files.Read(HsmKeyFiles.Binding) is null || _files.Read(HsmKeyFiles.Storage) is null)
            throw new InvalidDataException($"{stateDirectory}/vault has not the files of the vault's own keys; restore the state directory first.");
        using var token = Open();
        DemandLogin(token, TokenRole.User, options.UserPin);
        if (token.Run(s => new SessionKeys().ReadVersions(s)).ContainsKey(backup.Version))
            throw new InvalidOperationException($"The HSM has version {backup.Version} of the vault key already.");
        DemandLogin(token, TokenRole.SecurityOfficer, options.OfficerPin);
        var restored = token.Run(s =>
        {
            var unwrapping = s.ImportAes(backupKey, new KeyTemplate(KeyUses.Unwrap) { Private = false });
            return HsmVault.Using(s, unwrapping, () => s.UnwrapAes(unwrapping, backup.Wrapped, WrapMethod.AesKeyWrap, HsmTemplates.VaultKey(backup.Version)));
        });
        DemandLogin(token, TokenRole.User, options.UserPin);
        token.Run(s => Keep(s, restored, backup.Version));
    }

    /// <returns>The backup key; the caller clears it.</returns>
    private static byte[] Open(VaultBackup backup, IReadOnlyList<(VaultShare Share, string Passphrase)> shares)
    {
        ArgumentNullException.ThrowIfNull(backup);
        ArgumentNullException.ThrowIfNull(shares);
        if (shares.Any(s => s.Share.Backup != backup.Name))
            throw new CryptographicException($"A share is of another backup than '{backup.Name}'.");
        if (shares.DistinctBy(s => s.Share.Number).Count() < backup.Threshold)
            throw new CryptographicException($"This backup needs {backup.Threshold} different shares.");
        var opened = shares.DistinctBy(s => s.Share.Number).Select(s => (s.Share.Number, Secret: s.Share.Open(s.Passphrase))).ToList();
        var backupKey = SecretSharing.Combine(opened);
        foreach (var (_, secret) in opened)
            CryptographicOperations.ZeroMemory(secret);
        try
        {
            backup.Demand(backupKey);
            return backupKey;
        }
        catch
        {
            CryptographicOperations.ZeroMemory(backupKey);
            throw;
        }
    }

    /// <summary>Allows a receiver: from now on keys may leave for it.</summary>
    public void Trust(RSA receiver)
    {
        ArgumentNullException.ThrowIfNull(receiver);
        using var token = Open();
        DemandLogin(token, TokenRole.SecurityOfficer, options.OfficerPin);
        TrustedTransport.Register(token, options.UserPin, receiver, _files);
    }

    /// <summary>From now on nothing leaves for that receiver; the user alone can do this.</summary>
    /// <returns>Whether it was registered.</returns>
    public static bool Distrust(HsmOptions hsm, byte[] fingerprint) => AsUser(hsm, s =>
    {
        TokenObject[] halves =
        [
            .. s.FindAll(TokenObjectKind.PublicKey, HsmTemplates.TransportLabel, fingerprint),
            .. s.FindAll(TokenObjectKind.SecretKey, HsmTemplates.TransportLabel, fingerprint),
        ];
        foreach (var half in halves)
            s.Destroy(half);
        return halves.Length > 0;
    });

    public static bool HasVaultKey(HsmOptions hsm) => AsUser(hsm, s => new SessionKeys().ReadVersions(s).Count > 0);

    internal static void DemandLogin(TokenConnection token, TokenRole role, string pin)
    {
        var who = role == TokenRole.User ? "user" : "security officer";
        switch (token.Login(role, pin))
        {
            case PinAnswer.Wrong:
                throw new TokenException(TokenFault.PinWrong, $"The HSM refuses the {who}'s PIN.");
            case PinAnswer.Locked:
                throw new TokenException(TokenFault.PinLocked, $"The {who}'s PIN is locked.");
        }
    }

    private static T AsUser<T>(HsmOptions hsm, Func<TokenSession, T> call)
    {
        ArgumentNullException.ThrowIfNull(hsm);
        using var token = TokenConnection.Open(Pkcs11Module.Load(hsm.ModulePath), hsm.Token);
        DemandLogin(token, TokenRole.User, PinFile.Read(hsm.PinFile));
        return token.Run(call);
    }

    private TokenConnection Open() => TokenConnection.Open(Pkcs11Module.Load(options.ModulePath), options.Token);

    /// <summary>The officer's session object becomes the vault key: private, not extractable; then the keys that hang under it.</summary>
    private bool Keep(TokenSession session, TokenObject made, int version)
    {
        var kept = session.Keep(made, HsmTemplates.VaultKeyLabel);
        var facts = session.Describe(kept);
        if (facts is not { Trusted: true, Private: true, Sensitive: true, Extractable: false, Modifiable: false, Uses: KeyUses.Wrap | KeyUses.Unwrap })
        {
            session.Destroy(kept);
            throw new TokenException(TokenFault.NotSupported, "This HSM does not keep the vault key as it was told (TRUSTED, WRAP and UNWRAP only, neither EXTRACTABLE nor MODIFIABLE); it can't be a vault.");
        }
        EnsureOwn(session, (version, kept), HsmTemplates.BindingKeyLabel, HsmKeyFiles.Binding, KeyUses.Sign);
        if (session.TryFind(TokenObjectKind.SecretKey, HsmTemplates.BindingKeyLabel) is not null)
            EnsureOwn(session, (version, kept), HsmTemplates.StorageKeyLabel, HsmKeyFiles.Storage, KeyUses.Decrypt);
        return true;
    }

    private void EnsureOwn(TokenSession session, (int Version, TokenObject Key) newest, string label, string name, KeyUses use)
    {
        if (session.TryFind(TokenObjectKind.SecretKey, label) is not null)
            return;
        var template = HsmTemplates.Own(use);
        var isMac = use == KeyUses.Sign;
        var bound = Encoding.ASCII.GetBytes(name);
        TokenObject key;
        if (_files.Read(name) is { } file)
        {
            // Under another version, as in the middle of a rotation: it comes with that one's restore.
            if (!SessionKeys.Of(session).ReadVersions(session).TryGetValue(file.Blob.Version, out var vaultKey))
                return;
            key = isMac
                ? session.UnwrapHmacKey(vaultKey, file.Blob.Wrapped, WrapMethod.AesKeyWrap, template)
                : session.UnwrapAes(vaultKey, file.Blob.Wrapped, WrapMethod.AesKeyWrap, template);
            // The binding key vouches for itself.
            file.Blob.Demand(session, isMac ? key : HsmVault.Binding(session), bound);
        }
        else
        {
            key = isMac ? session.GenerateHmacKey(template) : session.GenerateAes(template);
            var wrapped = session.Wrap(newest.Key, key, WrapMethod.AesKeyWrap);
            _files.Write(name, HsmBlob.Bind(session, isMac ? key : HsmVault.Binding(session), bound, newest.Version, wrapped), []);
        }
        session.Keep(key, label);
    }

    private CeremonyResult Share(byte[] backupKey, int version, byte[] wrapped, IReadOnlyList<ShareOfficer> officers, int threshold)
    {
        var name = $"{version}-{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(4))}";
        var made = DateTimeOffset.FromUnixTimeSeconds(time.GetUtcNow().ToUnixTimeSeconds());
        var backup = VaultBackup.Make(new VaultBackup(name, version, threshold, officers.Count, made, wrapped, []), backupKey);
        var secrets = SecretSharing.Split(backupKey, threshold, officers.Count);
        var shares = officers.Zip(secrets, (officer, secret) => (officer, secret)).Select((s, i) => VaultShare.Protect(
            new VaultShare(name, i + 1, officers.Count, threshold, s.officer.Name, options.PassphraseIterations, []), s.secret, s.officer.Passphrase)).ToList();
        foreach (var secret in secrets)
            CryptographicOperations.ZeroMemory(secret);
        return new CeremonyResult(version, backup, shares);
    }
}

/// <summary>How the security officer reaches the HSM.</summary>
public sealed record HsmCeremonyOptions(string ModulePath, TokenSelector Token, string OfficerPin, string UserPin)
{
    /// <summary>What guessing a passphrase costs.</summary>
    public int PassphraseIterations { get; init; } = 600_000;
}
