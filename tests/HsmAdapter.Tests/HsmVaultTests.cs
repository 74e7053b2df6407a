using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.KdcCore;
using GatewaySecure.Pkcs11;
using GatewaySecure.TestKit;

namespace GatewaySecure.HsmAdapter.Tests;

/// <summary>The vault in SoftHSM: what it does for its users.</summary>
public sealed class HsmVaultTests : IAsyncLifetime
{
    private HsmFixture _hsm = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private HsmVault Vault => _hsm.Vault;

    public async ValueTask InitializeAsync() => _hsm = await HsmFixture.CreateAsync();

    [Fact]
    public void SoftHsm_is_told_to_be_for_trials()
    {
        Assert.True(Vault.IsForTrials);
        Assert.Equal($"SoftHSM token '{_hsm.Token.Label}', for trials", Vault.Description);
    }

    [Fact]
    public async Task A_master_key_does_the_card_operation_and_survives_a_restart()
    {
        var key = await Vault.GenerateAsync(HsmFixture.NewName(), Cancel);
        var input = RandomNumberGenerator.GetBytes(32);
        var before = await Vault.DecryptBlocksAsync(key, input, Cancel);
        using var receiver = HsmFixture.Receiver();
        _hsm.Close();
        _hsm.Ceremony().Trust(receiver);
        Assert.Equal(before, await Vault.DecryptBlocksAsync(key, input, Cancel));
        using var aes = Aes.Create();
        aes.Key = receiver.Decrypt(await Vault.SendAsync(key, receiver.ExportSubjectPublicKeyInfo(), Cancel), TransportEncryption.Padding);
        Assert.Equal(before, aes.DecryptCbc(input, new byte[16], PaddingMode.None));
    }

    [Fact]
    public async Task A_row_that_was_changed_or_moved_does_not_unwrap()
    {
        var key = await Vault.GenerateAsync(HsmFixture.NewName(), Cancel);
        await Vault.DecryptBlocksAsync(key, new byte[32], Cancel);
        foreach (var other in new[] { HsmFixture.NewName(), key.Name with { Kvno = 2 }, key.Name with { Kvno = 11 } })
            await RefusedAsync(key with { Name = other });
        for (var i = 0; i < key.Wrapped.Length; i++)
        {
            var changed = key.Wrapped.ToArray();
            changed[i] ^= 1;
            await RefusedAsync(key with { Wrapped = changed });
        }
        await RefusedAsync(key with { Wrapped = key.Wrapped[..40] });
        await RefusedAsync(key with { Wrapped = default });
        Assert.Equal(32, (await Vault.DecryptBlocksAsync(key, new byte[32], Cancel)).Length);
        Assert.True(Vault.State.IsAvailable);
    }

    [Fact]
    public async Task A_key_is_unwrapped_for_one_operation_and_nothing_of_it_stays()
    {
        var key = await Vault.GenerateAsync(HsmFixture.NewName(), Cancel);
        var first = await Vault.DecryptBlocksAsync(key, new byte[32], Cancel);
        Assert.Equal(first, await Vault.DecryptBlocksAsync(key, new byte[32], Cancel));
        Assert.Equal(0, Vault.Pool.Run(s => SessionKeys.Of(s).Count));
        // The vault's own.
        Assert.Equal(3, Vault.Pool.Run(s => s.FindAll(TokenObjectKind.SecretKey)).Count);
    }

    [Fact]
    public async Task Unwrapped_keys_are_kept_where_that_is_wanted_up_to_a_bound()
    {
        const int bound = 16;
        using var keeping = _hsm.OpenKeeping(bound);
        var keys = new List<WrappedMasterKey>();
        for (var i = 0; i < bound + 20; i++)
            keys.Add(await keeping.GenerateAsync(HsmFixture.NewName(), Cancel));
        foreach (var key in keys.Concat(keys.Take(30)))
            Assert.Equal(await Vault.DecryptBlocksAsync(key, new byte[32], Cancel), await keeping.DecryptBlocksAsync(key, new byte[32], Cancel));
        Assert.Equal(bound, keeping.Pool.Run(s => SessionKeys.Of(s).Count));
    }

    [Fact]
    public async Task Many_tickets_at_once_come_out_right()
    {
        var keys = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Vault.GenerateAsync(HsmFixture.NewName(), Cancel).AsTask()));
        var right = new byte[keys.Length][];
        for (var i = 0; i < keys.Length; i++)
            right[i] = await Vault.DecryptBlocksAsync(keys[i], new byte[32], Cancel);
        Assert.Equal(keys.Length, right.Select(Convert.ToHexString).Distinct().Count());
        await Parallel.ForAsync(0, 500, Cancel, async (i, ct) =>
            Assert.Equal(right[i % keys.Length], await Vault.DecryptBlocksAsync(keys[i % keys.Length], new byte[32], ct)));
    }

    [Fact]
    public async Task A_key_leaves_only_for_a_receiver_that_the_officer_registered()
    {
        using var registered = HsmFixture.Receiver();
        using var stranger = HsmFixture.Receiver();
        _hsm.Ceremony().Trust(registered);
        var key = await Vault.GenerateAsync(HsmFixture.NewName(), Cancel);
        Assert.Null(await Vault.ObjectionToAsync(registered.ExportSubjectPublicKeyInfo(), Cancel));
        Assert.Equal(32, registered.Decrypt(await Vault.SendAsync(key, registered.ExportSubjectPublicKeyInfo(), Cancel), TransportEncryption.Padding).Length);

        var spki = stranger.ExportSubjectPublicKeyInfo();
        Assert.Contains("has not registered", await Vault.ObjectionToAsync(spki, Cancel), StringComparison.Ordinal);
        await Assert.ThrowsAsync<CryptographicException>(() => Vault.SendAsync(key, spki, Cancel).AsTask());
        // Who has the user's PIN puts his own key where the officer would.
        Vault.Pool.Run(s => s.ImportRsaPublicKey(
            stranger.ExportParameters(false),
            new KeyTemplate(KeyUses.Wrap) { Label = HsmTemplates.TransportLabel, Id = TrustedTransport.Fingerprint(spki), OnToken = true }));
        await Assert.ThrowsAsync<CryptographicException>(() => Vault.SendAsync(key, spki, Cancel).AsTask());
        using var weak = RSA.Create(2048);
        Assert.Contains("3072", await Vault.ObjectionToAsync(weak.ExportSubjectPublicKeyInfo(), Cancel), StringComparison.Ordinal);

        _hsm.Close();
        Assert.True(Ceremony.Distrust(_hsm.Options(), TrustedTransport.Fingerprint(registered.ExportSubjectPublicKeyInfo())));
        await Assert.ThrowsAsync<CryptographicException>(() => Vault.SendAsync(key, registered.ExportSubjectPublicKeyInfo(), Cancel).AsTask());
    }

    [Fact]
    public async Task A_key_goes_from_vault_to_vault_and_does_the_same_there()
    {
        using var other = await HsmFixture.CreateAsync();
        var name = HsmFixture.NewName();
        var transport = await other.Vault.TransportKeyAsync(Cancel);
        Assert.Equal(transport, await other.Vault.TransportKeyAsync(Cancel));
        using (var receiver = TransportEncryption.ReadKey(transport))
            _hsm.Ceremony().Trust(receiver!);
        var here = await Vault.GenerateAsync(name, Cancel);
        var sent = await Vault.SendAsync(here, transport, Cancel);
        var there = await other.Vault.ReceiveAsync(name, sent, Cancel);
        var input = RandomNumberGenerator.GetBytes(32);
        Assert.Equal(await Vault.DecryptBlocksAsync(here, input, Cancel), await other.Vault.DecryptBlocksAsync(there, input, Cancel));
        sent[5] ^= 1;
        await Assert.ThrowsAsync<CryptographicException>(() => other.Vault.ReceiveAsync(name, sent, Cancel).AsTask());

        // The software vault speaks the same language, both ways.
        using var software = SoftwareVault.OpenOrCreate(_hsm["software"]);
        var trial = await software.TransportKeyAsync(Cancel);
        using (var receiver = TransportEncryption.ReadKey(trial))
            _hsm.Ceremony().Trust(receiver!);
        var inSoftware = await software.ReceiveAsync(name, await Vault.SendAsync(here, trial, Cancel), Cancel);
        Assert.Equal(await Vault.DecryptBlocksAsync(here, input, Cancel), await software.DecryptBlocksAsync(inSoftware, input, Cancel));
        var back = await other.Vault.ReceiveAsync(name, await software.SendAsync(inSoftware, transport, Cancel), Cancel);
        Assert.Equal(await Vault.DecryptBlocksAsync(here, input, Cancel), await other.Vault.DecryptBlocksAsync(back, input, Cancel));
    }

    [Theory]
    [InlineData(EscrowAlgorithm.Rsa2048)]
    [InlineData(EscrowAlgorithm.Rsa3072)]
    [InlineData(EscrowAlgorithm.Rsa4096)]
    [InlineData(EscrowAlgorithm.EcP256)]
    [InlineData(EscrowAlgorithm.EcP384)]
    public async Task An_encryption_key_is_made_escrowed_and_given_to_a_registered_receiver(EscrowAlgorithm algorithm)
    {
        using var receiver = HsmFixture.Receiver();
        _hsm.Ceremony().Trust(receiver);
        using var software = SoftwareVault.OpenOrCreate(_hsm["software"]);
        foreach (IEscrowVault vault in new IEscrowVault[] { Vault, software })
        {
            var key = await vault.GenerateEscrowedAsync(PrincipalId.New(), algorithm, Cancel);
            var sent = await vault.SendEscrowedAsync(key, receiver.ExportSubjectPublicKeyInfo(), Cancel);
            var clear = TransportEncryption.OpenPrivateKey(receiver, sent);
            using AsymmetricAlgorithm pair = algorithm < EscrowAlgorithm.EcP256 ? RSA.Create() : ECDiffieHellman.Create();
            pair.ImportPkcs8PrivateKey(clear, out _);
            Assert.Equal(key.PublicKey.ToArray(), pair.ExportSubjectPublicKeyInfo());

            await Assert.ThrowsAnyAsync<CryptographicException>(() =>
                vault.SendEscrowedAsync(key with { Principal = PrincipalId.New() }, receiver.ExportSubjectPublicKeyInfo(), Cancel).AsTask());
            var changed = key.PublicKey.ToArray();
            changed[^5] ^= 1;
            await Assert.ThrowsAnyAsync<CryptographicException>(() =>
                vault.SendEscrowedAsync(key with { PublicKey = changed }, receiver.ExportSubjectPublicKeyInfo(), Cancel).AsTask());
            sent[^1] ^= 1;
            Assert.ThrowsAny<CryptographicException>(() => TransportEncryption.OpenPrivateKey(receiver, sent));
        }
        using var stranger = HsmFixture.Receiver();
        var own = await Vault.GenerateEscrowedAsync(PrincipalId.New(), algorithm, Cancel);
        await Assert.ThrowsAsync<CryptographicException>(() => Vault.SendEscrowedAsync(own, stranger.ExportSubjectPublicKeyInfo(), Cancel).AsTask());
    }

    [Fact]
    public void Signing_keys_sign_in_the_hsm_behind_the_platforms_types()
    {
        using var rsa = Vault.OrganisationRsaKey("org", 2048);
        using var ec = Vault.OrganisationEcdsaKey("org");
        using var publicRsa = RSA.Create(rsa.ExportParameters(false));
        using var publicEc = ECDsa.Create(ec.ExportParameters(false));
        foreach (var padding in new[] { RSASignaturePadding.Pkcs1, RSASignaturePadding.Pss })
            Assert.True(publicRsa.VerifyData("text"u8, rsa.SignData("text"u8, HashAlgorithmName.SHA256, padding), HashAlgorithmName.SHA256, padding));
        Assert.True(publicEc.VerifyData("text"u8, ec.SignData("text"u8, HashAlgorithmName.SHA256), HashAlgorithmName.SHA256));
        Assert.Throws<CryptographicException>(() => rsa.ExportParameters(true));
        Assert.Throws<CryptographicException>(() => ec.ExportPkcs8PrivateKey());

        // As a CA and an S/MIME signer use them.
        var request = new CertificateRequest("CN=Org", ec, HashAlgorithmName.SHA256);
        using var certificate = request.Create(request.SubjectName, X509SignatureGenerator.CreateForECDsa(ec), DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(80), [1]);
        Assert.Equal(ec.ExportSubjectPublicKeyInfo(), certificate.PublicKey.ExportSubjectPublicKeyInfo());
        Assert.Contains("BEGIN CERTIFICATE REQUEST", new CertificateRequest("CN=Org", rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1).CreateSigningRequestPem(), StringComparison.Ordinal);

        _hsm.Close();
        using var again = Vault.OrganisationEcdsaKey("org");
        using var other = Vault.OrganisationEcdsaKey("audit");
        Assert.Equal(ec.ExportSubjectPublicKeyInfo(), again.ExportSubjectPublicKeyInfo());
        Assert.NotEqual(ec.ExportSubjectPublicKeyInfo(), other.ExportSubjectPublicKeyInfo());
        Assert.Throws<ArgumentException>(() => Vault.OrganisationEcdsaKey("../org"));
    }

    [Fact]
    public void Opening_keys_decrypt_in_the_hsm_and_what_is_not_for_them_is_no_fault_of_the_hsm()
    {
        using var key = Vault.OrganisationOpeningKey("mail");
        using var publicKey = RSA.Create(key.ExportParameters(false));
        var before = Vault.Pool.Run(s => s);
        foreach (var padding in new[] { RSAEncryptionPadding.Pkcs1, RSAEncryptionPadding.OaepSHA1, RSAEncryptionPadding.OaepSHA256, RSAEncryptionPadding.OaepSHA512 })
        {
            var encrypted = publicKey.Encrypt([1, 2, 3], padding);
            Assert.Equal([1, 2, 3], key.Decrypt(encrypted, padding));
            encrypted[^1] ^= 1;
            Assert.Throws<CryptographicException>(() => key.Decrypt(encrypted, padding));
            Assert.Throws<CryptographicException>(() => key.Decrypt([.. Enumerable.Repeat((byte)0xFF, encrypted.Length)], padding));
            Assert.Throws<CryptographicException>(() => key.Decrypt(encrypted[1..], padding));
        }
        Assert.Same(before, Vault.Pool.Run(s => s));
        Assert.Contains("BEGIN CERTIFICATE REQUEST", new CertificateRequest("CN=Org", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1).CreateSigningRequestPem(), StringComparison.Ordinal);
        _hsm.Close();
        using var again = Vault.OrganisationOpeningKey("mail");
        Assert.Equal(key.ExportSubjectPublicKeyInfo(), again.ExportSubjectPublicKeyInfo());
    }

    [Fact]
    public void A_signing_key_whose_making_was_interrupted_is_made_again_and_a_lost_file_costs_no_key()
    {
        Vault.Pool.Run(s => s.GenerateEc(
            ECCurve.NamedCurves.nistP256, new KeyTemplate(KeyUses.Verify) { Label = "gatewaysecure-signing-half.ecdsa", OnToken = true }, HsmTemplates.Signing));
        using var made = Vault.OrganisationEcdsaKey("half");
        Assert.NotEmpty(made.SignData("x"u8, HashAlgorithmName.SHA256));
        Assert.Single(Vault.Pool.Run(s => s.FindAll(TokenObjectKind.PublicKey, "gatewaysecure-signing-half.ecdsa")));
        File.Delete(Path.Combine(_hsm.Files, "signing-half.ecdsa.hsm"));
        using var same = Vault.OrganisationEcdsaKey("half");
        Assert.Equal(made.ExportSubjectPublicKeyInfo(), same.ExportSubjectPublicKeyInfo());
    }

    [Fact]
    public void Spool_and_marks_are_the_same_at_each_start_and_work_while_the_hsm_is_away()
    {
        var wrapped = Vault.Spool.Wrap(new byte[32], "item"u8);
        var mark = Vault.Marks.Tag("mail"u8);
        _hsm.Close();
        Assert.Equal(mark, Vault.Marks.Tag("mail"u8));
        _hsm.Token.Remove();
        Assert.Equal(new byte[32], Vault.Spool.Unwrap(wrapped, "item"u8));
        Assert.ThrowsAny<CryptographicException>(() => Vault.Spool.Unwrap(wrapped, "other"u8));
        _hsm.Token.Return();
    }

    [Fact]
    public async Task An_hsm_that_was_away_serves_again_without_a_restart()
    {
        var key = await Vault.GenerateAsync(HsmFixture.NewName(), Cancel);
        using var signer = Vault.OrganisationEcdsaKey("org");
        _hsm.Token.Remove();
        HsmFixture.Refresh();
        await Assert.ThrowsAsync<TokenException>(() => Vault.DecryptBlocksAsync(key, new byte[32], Cancel).AsTask());
        Assert.Throws<TokenException>(() => signer.SignData("x"u8, HashAlgorithmName.SHA256));
        Assert.False(Vault.State.IsAvailable);
        _hsm.Token.Return();
        for (var i = 0; ; i++)
        {
            try
            {
                Assert.Equal(32, (await Vault.DecryptBlocksAsync(key, new byte[32], Cancel)).Length);
                break;
            }
            catch (TokenException) when (i < 100)
            {
                await Task.Delay(100, Cancel);
            }
        }
        Assert.NotEmpty(signer.SignData("x"u8, HashAlgorithmName.SHA256));
        Assert.True(Vault.State.IsAvailable);
    }

    [Fact]
    public async Task A_token_without_a_vault_key_and_a_wrong_pin_are_told_apart()
    {
        using var empty = await HsmFixture.CreateAsync(withKey: false);
        Assert.Contains("kdc vault init", Assert.Throws<TokenException>(() => empty.Vault).Message, StringComparison.Ordinal);
        var wrong = _hsm.Token with { Pin = "000000" };
        Assert.Equal(TokenFault.PinWrong, Assert.Throws<TokenException>(() => _hsm.Open(wrong)).Fault);
    }

    public ValueTask DisposeAsync()
    {
        _hsm.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task RefusedAsync(WrappedMasterKey key) =>
        await Assert.ThrowsAnyAsync<CryptographicException>(() => Vault.DecryptBlocksAsync(key, new byte[32], Cancel).AsTask());
}
