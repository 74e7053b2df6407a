using System.Security.Cryptography;
using GatewaySecure.KdcCore;
using GatewaySecure.Pkcs11;
using GatewaySecure.TestKit;
using Net.Pkcs11Interop.Common;
using Net.Pkcs11Interop.HighLevelAPI;

namespace GatewaySecure.HsmAdapter.Tests;

/// <summary>
/// Attacks by somebody who has the user's PIN and the database, as a taken server would: he may use keys while he is there, and takes none
/// with him. Each is what the templates of docs/adr/0005 promise.
/// </summary>
public sealed class TemplateTests : IAsyncLifetime
{
    private HsmFixture _hsm = null!;
    private HsmBlob _row;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private TokenPool Pool => _hsm.Vault.Pool;

    public async ValueTask InitializeAsync()
    {
        _hsm = await HsmFixture.CreateAsync();
        _row = HsmBlob.Decode((await _hsm.Vault.GenerateAsync(HsmFixture.NewName(), Cancel)).Wrapped.Span);
    }

    [Fact]
    public async Task The_vault_keys_attributes_are_what_another_program_sees()
    {
        var list = await SoftHsm.Instance.WitnessAsync(_hsm.Token, "--list-objects", "--type", "secrkey");
        var vault = list.ReplaceLineEndings("\n").Split("Secret Key Object").Single(s => s.Contains("gatewaysecure-vault", StringComparison.Ordinal));
        Assert.Matches(@"Usage:\s+wrap, unwrap\s*\n", vault);
        Assert.Contains("sensitive", vault, StringComparison.Ordinal);
        Assert.DoesNotContain(" extractable", vault.Replace("never extractable", "", StringComparison.Ordinal), StringComparison.Ordinal);
        var facts = Pool.Run(s => s.Describe(VaultKey(s)));
        Assert.True(facts is { Trusted: true, Private: true, Sensitive: true, Extractable: false, AlwaysSensitive: true, Local: true });
        foreach (var (label, use) in new[] { (HsmTemplates.BindingKeyLabel, KeyUses.Sign), (HsmTemplates.StorageKeyLabel, KeyUses.Decrypt) })
        {
            Assert.True(Pool.Run(s => s.Describe(s.Find(TokenObjectKind.SecretKey, label))) is { Private: true, Sensitive: true, Extractable: false } own && own.Uses == use);
        }
    }

    [Fact]
    public void No_key_of_the_vault_is_read_back()
    {
        Pool.Run(s =>
        {
            Assert.All(s.FindAll(TokenObjectKind.SecretKey), k => Assert.Null(s.ReadValue(k)));
            Assert.Null(s.ReadValue(s.UnwrapAes(VaultKey(s), _row.Wrapped, WrapMethod.AesKeyWrap, HsmTemplates.Use)));
            Assert.Null(s.ReadValue(s.UnwrapAes(VaultKey(s), _row.Wrapped, WrapMethod.AesKeyWrap, HsmTemplates.Move)));
            return true;
        });
    }

    [Fact]
    public void A_row_does_not_unwrap_into_a_key_that_can_be_read_or_leave_under_any_key()
    {
        Refused(s => s.UnwrapAes(VaultKey(s), _row.Wrapped, WrapMethod.AesKeyWrap, HsmTemplates.Move with { Sensitive = false }));
        Refused(s => s.UnwrapAes(VaultKey(s), _row.Wrapped, WrapMethod.AesKeyWrap, HsmTemplates.Move with { WrapWithTrusted = false }));
        Refused(s => s.UnwrapAes(VaultKey(s), _row.Wrapped, WrapMethod.AesKeyWrap, HsmTemplates.Use with { WrapWithTrusted = false }));
        // Nor as another type of key with laxer rules.
        Refused(s => s.UnwrapHmacKey(VaultKey(s), _row.Wrapped, WrapMethod.AesKeyWrap, HsmTemplates.Move with { Sensitive = false }));
    }

    [Fact]
    public void A_key_in_use_does_not_leave_even_under_the_vault_key() =>
        Refused(s => s.Wrap(VaultKey(s), s.UnwrapAes(VaultKey(s), _row.Wrapped, WrapMethod.AesKeyWrap, HsmTemplates.Use), WrapMethod.AesKeyWrap));

    [Fact]
    public void A_key_on_the_move_leaves_under_no_key_that_the_officer_did_not_mark_and_does_nothing()
    {
        using var rsa = HsmFixture.Receiver();
        TokenObject Moved(TokenSession s) => s.UnwrapAes(VaultKey(s), _row.Wrapped, WrapMethod.AesKeyWrap, HsmTemplates.Move);
        Refused(s => s.Wrap(s.GenerateAes(new KeyTemplate(KeyUses.Wrap | KeyUses.Decrypt)), Moved(s), WrapMethod.AesKeyWrap));
        Refused(s => s.Wrap(s.ImportRsaPublicKey(rsa.ExportParameters(false), new KeyTemplate(KeyUses.Wrap)), Moved(s), WrapMethod.RsaOaepSha1));
        Refused(s => s.ImportRsaPublicKey(rsa.ExportParameters(false), new KeyTemplate(KeyUses.Wrap) { Trusted = true }));
        Refused(s => s.GenerateAes(new KeyTemplate(KeyUses.Wrap) { Trusted = true }));
        Refused(s => s.DecryptCbc(Moved(s), new byte[32]));
        Refused(s => s.EncryptGcm(Moved(s), new byte[12], [], new byte[32]));
    }

    [Fact]
    public void The_vault_key_decrypts_nothing_leaves_nowhere_and_takes_no_key_that_may_leave_freely()
    {
        Refused(s => s.DecryptCbc(VaultKey(s), _row.Wrapped[..32]));
        Refused(s => s.EncryptGcm(VaultKey(s), new byte[12], [], new byte[32]));
        Refused(s => s.Wrap(VaultKey(s), VaultKey(s), WrapMethod.AesKeyWrap));
        Refused(s => s.Wrap(s.GenerateAes(new KeyTemplate(KeyUses.Wrap)), VaultKey(s), WrapMethod.AesKeyWrap));
        // Else a key whose value is known would come out of the vault as one of its own.
        Refused(s => s.Wrap(VaultKey(s), s.ImportAes(new byte[32], new KeyTemplate(KeyUses.None) { Extractable = true }), WrapMethod.AesKeyWrap));
    }

    [Fact]
    public async Task Nobody_gives_the_vaults_keys_further_uses_or_takes_their_demands_away()
    {
        await _hsm.Vault.TransportKeyAsync(Cancel);
        _hsm.Vault.OrganisationEcdsaKey("org").Dispose();
        Func<TokenSession, TokenObject>[] keys =
        [
            VaultKey,
            s => s.Find(TokenObjectKind.SecretKey, HsmTemplates.BindingKeyLabel),
            s => s.Find(TokenObjectKind.SecretKey, HsmTemplates.StorageKeyLabel),
            s => s.Find(TokenObjectKind.PrivateKey, "gatewaysecure-transport-rsa"),
            s => s.Find(TokenObjectKind.PrivateKey, "gatewaysecure-signing-org.ecdsa"),
        ];
        var make = Pkcs11Module.Factories.ObjectAttributeFactory;
        foreach (var key in keys)
        {
            foreach (var changed in new[] { CKA.CKA_DECRYPT, CKA.CKA_MODIFIABLE, CKA.CKA_UNWRAP, CKA.CKA_EXTRACTABLE })
            {
                ModuleRefuses(s => s.Raw.SetAttributeValue(TokenSession.Handle(key(s)), [make.Create(changed, true)]));
                ModuleRefuses(s => s.Raw.CopyObject(TokenSession.Handle(key(s)), [make.Create(CKA.CKA_TOKEN, false), make.Create(changed, true)]));
            }
        }
        ModuleRefuses(s => s.Raw.SetAttributeValue(TokenSession.Handle(VaultKey(s)), [make.Create(CKA.CKA_UNWRAP_TEMPLATE, new List<IObjectAttribute>())]));
        ModuleRefuses(s => s.Raw.CopyObject(TokenSession.Handle(VaultKey(s)), [make.Create(CKA.CKA_TOKEN, false)]));
        Refused(s => s.DecryptCbc(VaultKey(s), new byte[32]));
    }

    [Fact]
    public async Task A_key_of_a_users_own_does_not_pass_for_the_next_vault_key()
    {
        Pool.Run(s => s.ImportAes(
            new byte[32],
            new KeyTemplate(KeyUses.Wrap | KeyUses.Unwrap) { Label = HsmTemplates.VaultKeyLabel, Id = HsmTemplates.Id(9), OnToken = true }));
        Assert.Equal([1], (await _hsm.Vault.VersionsAsync(Cancel)).Select(v => v.Version));
        var name = HsmFixture.NewName();
        Assert.Equal(1, HsmBlob.Decode((await _hsm.Vault.GenerateAsync(name, Cancel)).Wrapped.Span).Version);

        // Nor does a row under it, which he can even bind, bring a key of known value in.
        var known = Pool.Run(s => HsmBlob.Bind(s, HsmVault.Binding(s), KeyNames.Of(name), 9, AesKeyWrap.Wrap(new byte[32], new byte[32])));
        var e = await Assert.ThrowsAsync<TokenException>(() => _hsm.Vault.DecryptBlocksAsync(new WrappedMasterKey(name, known.Encode()), new byte[32], Cancel).AsTask());
        Assert.Contains("no vault key of version 9", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_master_key_in_use_does_its_one_operation_only()
    {
        Refused(s => s.EncryptGcm(s.UnwrapAes(VaultKey(s), _row.Wrapped, WrapMethod.AesKeyWrap, HsmTemplates.Use), new byte[12], [], new byte[32]));
        Refused(s => s.Hmac(s.UnwrapAes(VaultKey(s), _row.Wrapped, WrapMethod.AesKeyWrap, HsmTemplates.Use), new byte[32]));
        Assert.Equal(32, Pool.Run(s => s.DecryptCbc(s.UnwrapAes(VaultKey(s), _row.Wrapped, WrapMethod.AesKeyWrap, HsmTemplates.Use), new byte[32])).Length);
    }

    [Fact]
    public async Task What_another_vault_sent_does_not_unwrap_into_a_readable_key()
    {
        using var receiver = TransportEncryption.ReadKey(await _hsm.Vault.TransportKeyAsync(Cancel))!;
        var sent = receiver.Encrypt(RandomNumberGenerator.GetBytes(32), TransportEncryption.Padding);
        TokenObject Own(TokenSession s) => s.Find(TokenObjectKind.PrivateKey, "gatewaysecure-transport-rsa");
        Refused(s => s.UnwrapAes(Own(s), sent, WrapMethod.RsaOaepSha1, HsmTemplates.Move with { Sensitive = false }));
        Refused(s => s.UnwrapAes(Own(s), sent, WrapMethod.RsaOaepSha1, HsmTemplates.Move with { WrapWithTrusted = false }));
        Refused(s => s.DecryptRsa(Own(s), sent, TransportEncryption.Padding));
        Assert.NotEqual(default, Pool.Run(s => s.UnwrapAes(Own(s), sent, WrapMethod.RsaOaepSha1, HsmTemplates.Move)));
    }

    [Fact]
    public async Task Signing_keys_and_carriers_stay()
    {
        _hsm.Vault.OrganisationEcdsaKey("org").Dispose();
        _hsm.Vault.OrganisationRsaKey("org", 2048).Dispose();
        _hsm.Close();
        using var receiver = HsmFixture.Receiver();
        _hsm.Ceremony().Trust(receiver);
        foreach (var kind in new[] { "ecdsa", "rsa" })
        {
            TokenObject Signer(TokenSession s) => s.Find(TokenObjectKind.PrivateKey, $"gatewaysecure-signing-org.{kind}");
            Refused(s => s.Wrap(VaultKey(s), Signer(s), WrapMethod.AesKeyWrapPadded));
            Assert.True(Pool.Run(s => s.Describe(Signer(s))) is { Extractable: false, Sensitive: true, Uses: KeyUses.Sign });
        }
        Assert.True(Pool.Run(s => s.Describe(s.Find(TokenObjectKind.SecretKey, HsmTemplates.TransportLabel)))
            is { Extractable: false, Sensitive: true, Private: true, Trusted: true, Uses: KeyUses.Wrap });
        var escrowed = HsmBlob.Decode((await _hsm.Vault.GenerateEscrowedAsync(PrincipalId.New(), EscrowAlgorithm.EcP256, Cancel)).Wrapped.Span);
        Refused(s => s.UnwrapEc(VaultKey(s), escrowed.Wrapped, WrapMethod.AesKeyWrapPadded, HsmTemplates.Move with { Sensitive = false }));
        Refused(s => s.UnwrapEc(VaultKey(s), escrowed.Wrapped, WrapMethod.AesKeyWrapPadded, HsmTemplates.Move with { WrapWithTrusted = false }));
    }

    [Fact]
    public void Without_a_login_there_is_no_vault()
    {
        _hsm.Close();
        using var token = TokenConnection.Open(Pkcs11Module.Load(SoftHsm.Module), new TokenSelector(_hsm.Token.Label));
        Assert.Empty(token.Run(s => s.FindAll(TokenObjectKind.SecretKey)));
        Assert.Equal(PinAnswer.Accepted, token.Login(TokenRole.SecurityOfficer, _hsm.Token.OfficerPin));
        Assert.Empty(token.Run(s => s.FindAll(TokenObjectKind.SecretKey)));
    }

    public ValueTask DisposeAsync()
    {
        _hsm.Dispose();
        return ValueTask.CompletedTask;
    }

    private static TokenObject VaultKey(TokenSession session) => session.Find(TokenObjectKind.SecretKey, HsmTemplates.VaultKeyLabel);

    private void ModuleRefuses(Action<TokenSession> attack) => Pool.Run(s =>
    {
        var code = Assert.Throws<Pkcs11Exception>(() => attack(s)).RV;
        Assert.Contains(code, new[] { CKR.CKR_ACTION_PROHIBITED, CKR.CKR_ATTRIBUTE_READ_ONLY, CKR.CKR_TEMPLATE_INCONSISTENT });
        return true;
    });

    private void Refused<T>(Func<TokenSession, T> attack) =>
        Assert.Equal(TokenFault.NotPermitted, Assert.Throws<TokenException>(() => Pool.Run(attack)).Fault);
}
