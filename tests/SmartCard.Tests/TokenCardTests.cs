using System.Security.Cryptography;
using GatewaySecure.Cards;
using GatewaySecure.Pkcs11;
using GatewaySecure.TestKit;

namespace GatewaySecure.SmartCard.Tests;

/// <summary>Tests that make tokens stand in one collection: the module is one in the process.</summary>
[CollectionDefinition("tokens")]
public sealed class TokenSharing;

/// <summary>SoftHSM's tokens for cards.</summary>
internal static class TestTokens
{
    public static async Task<SoftToken> CreateAsync()
    {
        var token = await SoftHsm.Instance.CreateTokenAsync();
        var module = Pkcs11Module.Load(SoftHsm.Module);
        // SoftHSM looks for tokens when it starts.
        module.Reinitialize(module.Generation);
        return token;
    }
}

/// <summary>What tokens have and cards have not.</summary>
[Collection("tokens")]
public sealed class TokenCardTests : IAsyncLifetime
{
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 0, 0, 0, TimeSpan.Zero);
    private SoftToken _token = null!;
    private TokenCard _card = null!;

    public async ValueTask InitializeAsync()
    {
        _token = await TestTokens.CreateAsync();
        _card = TokenCard.Open(SoftHsm.Module, _token.Label);
    }

    public ValueTask DisposeAsync()
    {
        _card.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public void Oaep_works_whatever_the_token_does_itself_and_pss_too()
    {
        using var own = (RSA)TestKeys.Of(CardKeyAlgorithm.Rsa2048);
        using var session = User();
        _card.ImportKey(_card.Slot(CardUse.Decipher)!, own, Now);
        using var key = new CardRsa(_card, EveryCardTests.Held(_card, CardUse.Decipher));
        foreach (var padding in new[] { RSAEncryptionPadding.OaepSHA1, RSAEncryptionPadding.OaepSHA256, RSAEncryptionPadding.Pkcs1 })
            Assert.Equal("secret"u8.ToArray(), key.Decrypt(own.Encrypt("secret"u8, padding), padding));
        Assert.Throws<CryptographicException>(() => key.Decrypt(own.Encrypt("secret"u8, RSAEncryptionPadding.Pkcs1), RSAEncryptionPadding.OaepSHA256));
        _card.ImportKey(_card.Slot(CardUse.Sign)!, own, Now);
        using var sign = new CardRsa(_card, EveryCardTests.Held(_card, CardUse.Sign));
        Assert.True(own.VerifyData("a text"u8, sign.SignData("a text"u8.ToArray(), HashAlgorithmName.SHA256, RSASignaturePadding.Pss), HashAlgorithmName.SHA256, RSASignaturePadding.Pss));
    }

    [Fact]
    public void The_master_key_deciphers_and_can_not_be_read()
    {
        var key = RandomNumberGenerator.GetBytes(32);
        using var aes = Aes.Create();
        aes.SetKey(key);
        var clear = RandomNumberGenerator.GetBytes(32);
        var secret = aes.EncryptCbc(clear, new byte[16], PaddingMode.None);
        Assert.True(_card.Describe().HasAesSlot);
        using (User())
        {
            Assert.Equal(CardFault.NotFound, Assert.Throws<CardException>(() => _card.DecipherAes(secret)).Fault);
            _card.PutMasterKey(key);
            Assert.Equal(clear, _card.DecipherAes(secret));
        }
        Assert.Equal(new byte[32], key);
        Assert.Equal(CardFault.PinNeeded, Assert.Throws<CardException>(() => _card.DecipherAes(secret)).Fault);
        using var connection = TokenConnection.Open(Pkcs11Module.Load(SoftHsm.Module), new TokenSelector(_token.Label));
        connection.Login(TokenRole.User, _token.Pin);
        var facts = connection.Run(s => s.Describe(s.Find(TokenObjectKind.SecretKey, "GatewaySecure master key")));
        Assert.True(facts is { Sensitive: true, Extractable: false, Uses: KeyUses.Decrypt });
        Assert.Null(connection.Run(s => s.ReadValue(s.Find(TokenObjectKind.SecretKey, "GatewaySecure master key"))));
    }

    [Fact]
    public void A_renewed_key_stays_for_old_mail()
    {
        using var own = (RSA)TestKeys.Of(CardKeyAlgorithm.Rsa2048);
        var certificate = TestKeys.Certificate(own);
        using var session = User();
        var slot = _card.Slot(CardUse.Decipher)!;
        _card.ImportKey(slot, own, Now);
        _card.PutCertificate(slot, certificate);
        var old = _card.RetireKey(slot);
        var made = _card.GenerateKey(slot, CardKeyAlgorithm.P256, Now);
        var keys = _card.ReadKeys();
        Assert.Equal([slot, old], keys.Select(k => k.Slot));
        Assert.True(made.IsSameAs(keys[0].Public));
        Assert.Equal(certificate, keys[1].Certificate.ToArray());
        using var key = new CardRsa(_card, keys[1]);
        Assert.Equal("x"u8.ToArray(), key.Decrypt(own.Encrypt("x"u8, RSAEncryptionPadding.Pkcs1), RSAEncryptionPadding.Pkcs1));
        Assert.NotEqual(old, _card.RetireKey(slot));
    }

    [Fact]
    public void The_user_changes_the_pin_and_the_officer_sets_a_new_one()
    {
        Assert.IsType<PinResult.Wrong>(_card.ChangePin(CardPin.User, "999999", "246802"));
        EveryCardTests.Ok(_card.ChangePin(CardPin.User, _token.Pin, "246802"));
        Assert.IsType<PinResult.Wrong>(_card.Verify(CardPin.User, _token.Pin, CardUse.Decipher));
        Assert.IsType<PinResult.Wrong>(_card.Unblock(CardPin.Administrator, "00000000", "135791"));
        EveryCardTests.Ok(_card.Unblock(CardPin.Administrator, _token.OfficerPin, "135791"));
        EveryCardTests.Ok(_card.Verify(CardPin.User, "135791", CardUse.Decipher));
        Assert.Equal(CardFault.NotSupported, Assert.Throws<CardException>(() => _card.Unblock(CardPin.Unblocking, "00000000", "135791")).Fault);
    }

    [Fact]
    public async Task A_key_that_pkcs11_tool_made_with_a_certificate_opens_mail()
    {
        await SoftHsm.Instance.WitnessAsync(_token, "--keypairgen", "--key-type", "EC:prime256v1", "--id", "77", "--label", "theirs", "--usage-derive");
        using (User())
        {
            var made = Assert.Single(_card.ReadKeys());
            using var directory = new TempDirectory();
            using var own = ECDiffieHellman.Create(made.Public.Ec!.Value);
            await File.WriteAllBytesAsync(directory["cert.der"], TestKeys.Certificate(own), TestContext.Current.CancellationToken);
            await SoftHsm.Instance.WitnessAsync(_token, "--write-object", directory["cert.der"], "--type", "cert", "--id", "77", "--label", "theirs");
        }
        using (User())
        {
            var held = EveryCardTests.Held(_card, CardUse.Decipher);
            Assert.Equal("77", held.Slot.Name);
            using var key = new CardEcdh(_card, held);
            using var other = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);
            Assert.Equal(other.DeriveRawSecretAgreement(key.PublicKey), key.DeriveRawSecretAgreement(other.PublicKey));
        }
    }

    [Fact]
    public async Task Pkcs11_tool_signs_with_a_key_that_we_made()
    {
        CardPublicKey made;
        using (User())
            made = _card.GenerateKey(_card.Slot(CardUse.Sign)!, CardKeyAlgorithm.P256, Now);
        using var directory = new TempDirectory();
        var digest = SHA256.HashData("a text"u8);
        await File.WriteAllBytesAsync(directory["text"], digest, TestContext.Current.CancellationToken);
        await SoftHsm.Instance.WitnessAsync(_token, "--sign", "--mechanism", "ECDSA", "--id", "475301", "-i", directory["text"], "-o", directory["signature"]);
        var signature = await File.ReadAllBytesAsync(directory["signature"], TestContext.Current.CancellationToken);
        using var key = ECDsa.Create(made.Ec!.Value);
        Assert.True(key.VerifyHash(digest, signature));
    }

    [Fact]
    public void No_such_module_or_token_is_said()
    {
        Assert.Equal(CardFault.NoService, Assert.Throws<CardException>(() => TokenCard.Open("/nonexistent.so", null)).Fault);
        Assert.Equal(CardFault.NoCard, Assert.Throws<CardException>(() => TokenCard.Open(SoftHsm.Module, "no such token")).Fault);
    }

    private IDisposable User()
    {
        var session = _card.BeginSession();
        EveryCardTests.Ok(_card.Verify(CardPin.User, _token.Pin, CardUse.Decipher));
        return session;
    }
}
