using System.Security.Cryptography;
using GatewaySecure.Addresses;
using GatewaySecure.KdcCore;
using GatewaySecure.Pkcs11;
using GatewaySecure.Storage;
using GatewaySecure.TestKit;

namespace GatewaySecure.HsmAdapter.Tests;

/// <summary>A whole KDC on SoftHSM: the machine is lost, and old tickets open on the next one; the vault key is replaced while tickets are issued.</summary>
public sealed class CeremonyTests : IAsyncLifetime
{
    private static readonly Realm Realm = Realm.Parse("example.org");
    private static readonly MailAddress Alice = MailAddress.Parse("alice@example.org");
    private static readonly MailAddress Bob = MailAddress.Parse("bob@example.org");

    private HsmFixture _hsm = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _hsm = await HsmFixture.CreateAsync();

    [Fact]
    public async Task Two_officers_restore_everything_on_an_empty_machine_and_old_tickets_open()
    {
        TicketGrant grant;
        MasterKeyName bob;
        byte[] organisation, item;
        EscrowedKey escrowed;
        await using (var database = await DatabaseAsync(_hsm.State))
        {
            var kdc = await KdcAsync(database, _hsm.Vault);
            bob = kdc.Bob;
            grant = await GrantAsync(kdc);
            escrowed = await _hsm.Vault.GenerateEscrowedAsync(bob.Principal, EscrowAlgorithm.Rsa2048, Cancel);
            await database.Audit.AppendAsync(new AuditEntry(Event()) { Escrowed = escrowed }, Cancel);
            using var key = _hsm.Vault.OrganisationRsaKey("org", 2048);
            organisation = key.ExportSubjectPublicKeyInfo();
            _hsm.Vault.OrganisationEcdsaKey("org").Dispose();
            await _hsm.Vault.TransportKeyAsync(Cancel);
            item = _hsm.Vault.Spool.Wrap(new byte[32], "item"u8);
        }
        var shares = _hsm.Made.Shares.Select(s => VaultShare.Parse(s.ToText())).ToList();
        var backup = VaultBackup.Parse(_hsm.Made.Backup.ToText());
        _hsm.Close();
        Directory.Delete(_hsm.Token.Directory, recursive: true);

        var empty = await SoftHsm.Instance.CreateTokenAsync();
        HsmFixture.Refresh();
        var copy = _hsm["copy"];
        CopyDirectory(_hsm.State, copy);
        _hsm.Ceremony(empty, copy).Restore(backup, [(shares[2], HsmFixture.Officers[2].Passphrase), (shares[0], HsmFixture.Officers[0].Passphrase)]);

        using var vault = _hsm.Open(empty, copy);
        await using var restored = await DatabaseAsync(copy);
        var row = await restored.MasterKeys.FindAsync(bob, Cancel);
        var opening = await TicketReader.UnwrapAsync(grant.Tickets[0].Context, grant.Tickets[0].WrappedKey, new VaultMasterKey(vault, row!), Cancel);
        Assert.Equal(grant.SessionKey.ToArray(), Assert.IsType<TicketOpening.Opened>(opening).SessionKey);

        // Whatever hangs under the vault key is back too, and as strict as before.
        Assert.Equal(new byte[32], vault.Spool.Unwrap(item, "item"u8));
        using var same = vault.OrganisationRsaKey("org");
        Assert.Equal(organisation, same.ExportSubjectPublicKeyInfo());
        Assert.True(same.VerifyData("x"u8, same.SignData("x"u8, HashAlgorithmName.SHA256, RSASignaturePadding.Pss), HashAlgorithmName.SHA256, RSASignaturePadding.Pss));
        using var ec = vault.OrganisationEcdsaKey("org");
        Assert.True(ec.VerifyData("x"u8, ec.SignData("x"u8, HashAlgorithmName.SHA256), HashAlgorithmName.SHA256));
        Assert.Null(Assert.Single(await vault.VersionsAsync(Cancel)).Problem);
        Assert.All(
            vault.Pool.Run(s => s.FindAll(TokenObjectKind.PrivateKey).Concat(s.FindAll(TokenObjectKind.SecretKey)).Select(s.Describe).Where(f => f.OnToken).ToList()),
            f => Assert.True(f is { Sensitive: true, Extractable: false, Modifiable: false, Private: true }, f.ToString()));
        Assert.Throws<TokenException>(() => vault.Pool.Run(s => s.UnwrapAes(
            s.Find(TokenObjectKind.SecretKey, HsmTemplates.VaultKeyLabel), HsmBlob.Decode(row!.Wrapped.Span).Wrapped, WrapMethod.AesKeyWrap,
            HsmTemplates.Move with { Sensitive = false })));
        var received = await vault.ReceiveAsync(bob, Encrypted(await vault.TransportKeyAsync(Cancel)), Cancel);
        Assert.Equal(32, (await vault.DecryptBlocksAsync(received, new byte[32], Cancel)).Length);

        // New tickets, too; and a receiver is registered anew before anything leaves for it.
        Assert.Single((await GrantAsync(await KdcAsync(restored, vault))).Tickets);
        using var receiver = HsmFixture.Receiver();
        vault.Dispose();
        _hsm.Ceremony(empty, copy).Trust(receiver);
        using var again = _hsm.Open(empty, copy);
        var found = Assert.Single(await restored.EscrowedKeys.OfAsync(bob.Principal, Cancel));
        using var rsa = RSA.Create();
        rsa.ImportPkcs8PrivateKey(TransportEncryption.OpenPrivateKey(receiver, await again.SendEscrowedAsync(found, receiver.ExportSubjectPublicKeyInfo(), Cancel)), out _);
        Assert.Equal(escrowed.PublicKey.ToArray(), rsa.ExportSubjectPublicKeyInfo());
    }

    [Fact]
    public async Task Too_few_wrong_or_foreign_shares_restore_nothing()
    {
        var other = await HsmFixture.CreateAsync();
        var empty = await SoftHsm.Instance.CreateTokenAsync();
        HsmFixture.Refresh();
        var ceremony = _hsm.Ceremony(empty);
        var (shares, people) = (_hsm.Made.Shares, HsmFixture.Officers);
        Assert.Throws<CryptographicException>(() => ceremony.Restore(_hsm.Made.Backup, [(shares[0], people[0].Passphrase)]));
        Assert.Throws<CryptographicException>(() => ceremony.Restore(_hsm.Made.Backup, [(shares[0], people[0].Passphrase), (shares[0], people[0].Passphrase)]));
        Assert.Throws<CryptographicException>(() => ceremony.Restore(_hsm.Made.Backup, [(shares[0], people[0].Passphrase), (shares[1], "wrong passphrase")]));
        Assert.Throws<CryptographicException>(() => ceremony.Restore(_hsm.Made.Backup, [(shares[0], people[0].Passphrase), (other.Made.Shares[1], people[1].Passphrase)]));
        var changed = _hsm.Made.Backup with { Wrapped = other.Made.Backup.Wrapped };
        Assert.Throws<CryptographicException>(() => ceremony.Restore(changed, [(shares[0], people[0].Passphrase), (shares[1], people[1].Passphrase)]));
        Assert.Throws<InvalidDataException>(() => _hsm.Ceremony(empty, _hsm["nothing"]).Restore(_hsm.Made.Backup, [(shares[0], people[0].Passphrase), (shares[1], people[1].Passphrase)]));
        Assert.Throws<InvalidOperationException>(() => _hsm.Ceremony().Restore(_hsm.Made.Backup, [(shares[0], people[0].Passphrase), (shares[1], people[1].Passphrase)]));
        using var token = TokenConnection.Open(Pkcs11Module.Load(SoftHsm.Module), new TokenSelector(empty.Label));
        Assert.Equal(PinAnswer.Accepted, token.Login(TokenRole.User, empty.Pin));
        Assert.Empty(token.Run(s => s.FindAll(TokenObjectKind.SecretKey)));
        Assert.Throws<InvalidDataException>(() => VaultBackup.Parse("{}"));
    }

    [Fact]
    public async Task A_ceremony_that_cannot_save_its_shares_leaves_the_token_empty()
    {
        using var hsm = await HsmFixture.CreateAsync(withKey: false);
        Assert.Throws<IOException>(() => hsm.Ceremony().MakeVaultKey(HsmFixture.Officers, 2, _ => throw new IOException("disk full")));
        using var token = TokenConnection.Open(Pkcs11Module.Load(SoftHsm.Module), new TokenSelector(hsm.Token.Label));
        Assert.Equal(PinAnswer.Accepted, token.Login(TokenRole.User, hsm.Token.Pin));
        Assert.Empty(token.Run(s => s.FindAll(TokenObjectKind.SecretKey)));
        Assert.Throws<ArgumentException>(() => hsm.Ceremony().MakeVaultKey(HsmFixture.Officers, 1, _ => { }));
        Assert.Throws<ArgumentException>(() => hsm.Ceremony().MakeVaultKey([HsmFixture.Officers[0], HsmFixture.Officers[0]], 2, _ => { }));
    }

    [Fact]
    public async Task The_vault_key_is_replaced_while_tickets_are_issued_and_the_old_one_is_destroyed_last()
    {
        await using var database = await DatabaseAsync(_hsm.State);
        var kdc = await KdcAsync(database, _hsm.Vault);
        var grant = await GrantAsync(kdc);
        var escrowed = await _hsm.Vault.GenerateEscrowedAsync(kdc.Bob.Principal, EscrowAlgorithm.EcP256, Cancel);
        await database.Audit.AppendAsync(new AuditEntry(Event()) { Escrowed = escrowed }, Cancel);
        for (var i = 0; i < 120; i++)
            await kdc.Administration.RenewKeyAsync(kdc.Bob.Principal, Cancel);
        _hsm.Vault.OrganisationEcdsaKey("org").Dispose();
        var input = RandomNumberGenerator.GetBytes(32);
        var before = await _hsm.Vault.DecryptBlocksAsync((await database.MasterKeys.FindAsync(kdc.Bob, Cancel))!, input, Cancel);
        _hsm.Close();
        var second = _hsm.Ceremony().MakeVaultKey(HsmFixture.Officers, 3, _ => { });
        Assert.Equal(2, second.Version);
        var vault = _hsm.Vault;

        // Killed half-way: the job is run again and goes on where it was.
        using (var killed = new CancellationTokenSource())
        {
            var stopping = new Reporter(p =>
            {
                if (p.Done >= 100)
                    killed.Cancel();
            });
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Rotation(vault, database).RunAsync(stopping, killed.Token));
        }
        var versions = await vault.VersionsAsync(Cancel);
        Assert.Equal([(1, false), (2, true)], versions.Select(v => (v.Version, v.Wraps)));
        Assert.All(versions, v => Assert.Null(v.Problem));
        var running = await KdcAsync(database, vault);
        Assert.Single((await GrantAsync(running)).Tickets);

        var seen = new List<RotationProgress>();
        Assert.Equal(1, await Rotation(vault, database).RunAsync(new Reporter(seen.Add), Cancel));
        Assert.Equal(seen[0].Total, seen.Max(p => p.Done));
        Assert.Equal([2], (await vault.VersionsAsync(Cancel)).Select(v => v.Version));
        Assert.Equal(0, await Rotation(vault, database).RunAsync(null, Cancel));
        Assert.Null(await database.Audit.VerifyAsync(cancellationToken: Cancel));
        Assert.Equal(["vault.rewrap", "vault.rewrap", "vault.rewrap", "vault.rotated"], await ActionsAsync(database));

        // Nobody noticed: what was read before the rotation and after it does the same.
        Assert.Single((await GrantAsync(running)).Tickets);
        var row = (await database.MasterKeys.FindAsync(kdc.Bob, Cancel))!;
        Assert.Equal(before, await vault.DecryptBlocksAsync(row, input, Cancel));
        var opening = await TicketReader.UnwrapAsync(grant.Tickets[0].Context, grant.Tickets[0].WrappedKey, new VaultMasterKey(vault, row), Cancel);
        Assert.IsType<TicketOpening.Opened>(opening);

        // The shares of the first version are worthless now, those of the second restore.
        _hsm.Close();
        var empty = await SoftHsm.Instance.CreateTokenAsync();
        HsmFixture.Refresh();
        var all = second.Shares.Zip(HsmFixture.Officers, (s, o) => (s, o.Passphrase)).ToList();
        _hsm.Ceremony(empty).Restore(second.Backup, all);
        using var restored = _hsm.Open(empty);
        Assert.Equal(before, await restored.DecryptBlocksAsync(row, input, Cancel));
        using var signer = restored.OrganisationEcdsaKey("org");
        Assert.NotEmpty(signer.SignData("x"u8, HashAlgorithmName.SHA256));
    }

    [Fact]
    public async Task A_row_that_was_changed_by_hand_stops_the_rotation_before_anything_is_destroyed()
    {
        await using var database = await DatabaseAsync(_hsm.State);
        var kdc = await KdcAsync(database, _hsm.Vault);
        var row = (await database.MasterKeys.FindAsync(kdc.Bob, Cancel))!;
        var changed = row.Wrapped.ToArray();
        changed[20] ^= 1;
        await database.Audit.AppendAsync(new AuditEntry(Event()) { Rewrapped = [row with { Wrapped = changed }] }, Cancel);
        _hsm.Close();
        _hsm.Ceremony().MakeVaultKey(HsmFixture.Officers, 2, _ => { });
        var e = await Assert.ThrowsAsync<CryptographicException>(() => Rotation(_hsm.Vault, database).RunAsync(null, Cancel));
        Assert.Contains(kdc.Bob.Principal.ToString(), e.Message, StringComparison.Ordinal);
        Assert.Equal(2, (await _hsm.Vault.VersionsAsync(Cancel)).Count);
    }

    public ValueTask DisposeAsync()
    {
        _hsm.Dispose();
        return ValueTask.CompletedTask;
    }

    private static AuditEvent Event() => new(DateTimeOffset.UnixEpoch, "test", "test", "", "");

    private static Task<GatewayDatabase> DatabaseAsync(string state) => GatewayDatabase.OpenAsync(Path.Combine(state, "gatewaysecure.db"), Cancel);

    private static VaultRotation Rotation(HsmVault vault, GatewayDatabase database) => new(
        vault, new RotationStores(database.MasterKeyRows, database.EscrowedKeys, database.Audit), TimeProvider.System, "officer");

    private static async Task<IReadOnlyList<string>> ActionsAsync(GatewayDatabase database) =>
        [.. (await database.Audit.ReadAsync(1, 10_000, Cancel)).Select(e => e.Action).Where(a => a.StartsWith("vault.", StringComparison.Ordinal))];

    private static byte[] Encrypted(byte[] transportKey)
    {
        using var rsa = TransportEncryption.ReadKey(transportKey)!;
        return rsa.Encrypt(new byte[32], TransportEncryption.Padding);
    }

    private static async Task<TestKdc> KdcAsync(GatewayDatabase database, HsmVault vault)
    {
        var ports = database.PortsWith(vault);
        var administration = new KdcAdministration(Realm, ports, TimeProvider.System, "test");
        var gateway = await administration.EnsureGatewayAsync("gateway", [DomainName.Parse("example.org")], Cancel);
        foreach (var (name, address) in new[] { ("Alice", Alice), ("Bob", Bob) })
        {
            if (await administration.FindAsync(address, Cancel) is null)
            {
                var user = await administration.CreateAsync(PrincipalKind.User, name, [address], [], null, Cancel);
                await administration.RenewKeyAsync(user.Id, Cancel);
            }
        }
        var service = new KdcService(KdcOptions.For(Realm), ports, TimeProvider.System);
        var client = new KdcClient(Realm, gateway.Id, await administration.UseKeyAsync(gateway.Id, Cancel), service, service, TimeProvider.System);
        return new TestKdc(administration, client, new MasterKeyName((await administration.FindAsync(Bob, Cancel))!.Id, 1));
    }

    private static async Task<TicketGrant> GrantAsync(TestKdc kdc)
    {
        var outcome = await kdc.Client.RequestAsync(new TicketOrder(Alice, [Bob], RandomNumberGenerator.GetBytes(32), Evidence.Auth), Cancel);
        return Assert.IsType<TicketOutcome.Granted>(outcome).Grant;
    }

    private static void CopyDirectory(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (var directory in Directory.GetDirectories(from, "*", SearchOption.AllDirectories))
            Directory.CreateDirectory(Path.Combine(to, Path.GetRelativePath(from, directory)));
        foreach (var file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
            File.Copy(file, Path.Combine(to, Path.GetRelativePath(from, file)));
    }

    private sealed record TestKdc(KdcAdministration Administration, KdcClient Client, MasterKeyName Bob);

    /// <summary>Reports at once, on the caller's thread.</summary>
    private sealed class Reporter(Action<RotationProgress> report) : IProgress<RotationProgress>
    {
        public void Report(RotationProgress value) => report(value);
    }
}
