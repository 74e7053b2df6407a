using System.Security.Cryptography;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.SmartCard.Tests;

public sealed class OpenPgpCardTests : IDisposable
{
    private const string Pin = VirtualOpenPgpCard.DefaultUserPin;
    private const string AdminPin = VirtualOpenPgpCard.DefaultAdminPin;
    private readonly VirtualOpenPgpCard _card = VirtualOpenPgpCard.CreateInMemory();
    private readonly OpenPgpCard _client;

    public OpenPgpCardTests() => _client = TestCards.Client(_card);

    public void Dispose() => _card.Dispose();

    private CardHeldKey Key(CardUse use) => _client.ReadKeys().Single(k => k.Slot.Use == use);

    [Fact]
    public void Information_names_serial_tries_and_keys()
    {
        var information = _client.ReadInformation();
        Assert.Equal(_card.Serial, information.Serial);
        Assert.Equal("3.4", information.Version);
        Assert.Equal((3, 0, 3), (information.UserTriesLeft, information.ResetTriesLeft, information.AdminTriesLeft));
        Assert.True(information.HasAesSlot);
        Assert.Equal(CardKeyAlgorithm.Rsa2048, information.Sign.Algorithm);
        Assert.False(information.Sign.HasFingerprint);
    }

    [Fact]
    public void A_right_pin_restores_the_tries()
    {
        Assert.Equal(new PinResult.Wrong(2), _client.VerifyPin(PinMode.User, "111111"));
        Assert.IsType<PinResult.Ok>(_client.VerifyPin(PinMode.Sign, Pin));
        Assert.Equal(3, _client.TriesLeft(PinMode.User));
    }

    [Fact]
    public void A_wrong_pin_withdraws_an_earlier_verification()
    {
        Assert.IsType<PinResult.Ok>(_client.VerifyPin(PinMode.User, Pin));
        Assert.IsType<PinResult.Wrong>(_client.VerifyPin(PinMode.User, "111111"));
        Assert.Equal(0x63C2, _client.Send(new Apdu(0, 0x20, 0, 0x82)).Status);
    }

    [Fact]
    public void An_empty_pin_is_never_sent()
    {
        Assert.IsType<PinResult.Ok>(_client.VerifyPin(PinMode.User, Pin));
        Assert.Throws<ArgumentException>(() => _client.VerifyPin(PinMode.User, ""));
    }

    [Fact]
    public void A_blocked_pin_is_unblocked_by_the_administrator()
    {
        for (var i = 0; i < 3; i++)
            _client.VerifyPin(PinMode.User, "111111");
        Assert.IsType<PinResult.Blocked>(_client.VerifyPin(PinMode.User, Pin));
        Assert.Throws<CardException>(() => _client.ResetRetryCounter("654321"));
        Assert.IsType<PinResult.Ok>(_client.VerifyPin(PinMode.Admin, AdminPin));
        _client.ResetRetryCounter("654321");
        Assert.IsType<PinResult.Ok>(_client.VerifyPin(PinMode.User, "654321"));
    }

    [Fact]
    public void A_pin_is_changed_only_by_who_knows_the_old_one()
    {
        Assert.Equal(new PinResult.Wrong(2), _client.ChangePin(false, "111111", "654321"));
        Assert.IsType<PinResult.Ok>(_client.ChangePin(false, Pin, "12345678901"));
        Assert.IsType<PinResult.Ok>(_client.VerifyPin(PinMode.User, "12345678901"));
        Assert.IsType<PinResult.Ok>(_client.ChangePin(true, AdminPin, "87654321"));
        Assert.Equal(new PinResult.Wrong(2), _client.VerifyPin(PinMode.Admin, AdminPin));
    }

    [Fact]
    public void Too_short_a_new_pin_is_refused_and_the_old_one_stays()
    {
        Assert.Throws<CardException>(() => _client.ChangePin(false, Pin, "12345"));
        Assert.IsType<PinResult.Ok>(_client.VerifyPin(PinMode.User, Pin));
    }

    [Theory]
    [InlineData(16)]
    [InlineData(32)]
    public void The_aes_slot_deciphers_cbc_and_can_not_be_read(int size)
    {
        var key = RandomNumberGenerator.GetBytes(size);
        using var aes = Aes.Create();
        aes.SetKey(key);
        var clear = RandomNumberGenerator.GetBytes(464);
        var secret = aes.EncryptCbc(clear, new byte[16], PaddingMode.None);
        Assert.Equal(CardFault.PinNeeded, Assert.Throws<CardException>(() => _client.PutAesKey(key.ToArray())).Fault);
        _client.VerifyPin(PinMode.Admin, AdminPin);
        _client.PutAesKey(key);
        _client.VerifyPin(PinMode.Sign, Pin);
        Assert.Equal(CardFault.PinNeeded, Assert.Throws<CardException>(() => _client.DecipherAes(secret)).Fault);
        _client.VerifyPin(PinMode.User, Pin);
        Assert.Equal(clear, _client.DecipherAes(secret));
        Assert.Equal(0x6700, _client.Send(new Apdu(0, 0x2A, 0x80, 0x86, new byte[18], 0) with { Data = (byte[])[2, .. new byte[17]] }).Status);
        Assert.Equal(0x6A88, _client.Send(new Apdu(0, 0xCA, 0, 0xD5, default, 0)).Status);
    }

    [Fact]
    public void One_verification_serves_one_signature_unless_the_card_says_otherwise()
    {
        _client.VerifyPin(PinMode.Admin, AdminPin);
        _client.GenerateKey(CardKey.Sign, CardKeyAlgorithm.P256);
        var hash = RandomNumberGenerator.GetBytes(32);
        _client.VerifyPin(PinMode.Sign, Pin);
        using var key = new CardEcdsa(_client, Key(CardUse.Sign));
        Assert.True(key.VerifyHash(hash, key.SignHash(hash)));
        Assert.Equal(CardFault.PinNeeded, Assert.Throws<CardException>(() => key.SignHash(hash)).Fault);
        _client.PutData(0x00C4, new byte[] { 1 });
        _client.VerifyPin(PinMode.Sign, Pin);
        key.SignHash(hash);
        key.SignHash(hash);
        Assert.Equal([0x7A, 0x05, 0x93, 0x03, 0, 0, 3], _client.GetData(0x007A));
        Assert.Throws<CryptographicException>(() => key.ExportParameters(true));
    }

    [Theory]
    [InlineData(CardKeyAlgorithm.P256)]
    [InlineData(CardKeyAlgorithm.P384)]
    public void Imported_and_generated_keys_agree_with_the_platform(CardKeyAlgorithm algorithm)
    {
        var curve = algorithm == CardKeyAlgorithm.P256 ? ECCurve.NamedCurves.nistP256 : ECCurve.NamedCurves.nistP384;
        using var own = ECDiffieHellman.Create(curve);
        using var other = ECDiffieHellman.Create(curve);
        _client.VerifyPin(PinMode.Admin, AdminPin);
        _client.ImportKey(CardKey.Decipher, own);
        _client.VerifyPin(PinMode.User, Pin);
        Assert.Equal(own.DeriveRawSecretAgreement(other.PublicKey), _client.Agree(other.ExportParameters(false).Q));

        var made = _client.GenerateKey(CardKey.Decipher, algorithm);
        using var madePublic = ECDiffieHellman.Create(made.Ec!.Value);
        Assert.Equal(other.DeriveRawSecretAgreement(madePublic.PublicKey), _client.Agree(other.ExportParameters(false).Q));
    }

    [Fact]
    public void A_point_off_the_curve_is_refused()
    {
        _client.VerifyPin(PinMode.Admin, AdminPin);
        _client.GenerateKey(CardKey.Decipher, CardKeyAlgorithm.P256);
        _client.VerifyPin(PinMode.User, Pin);
        var point = new ECPoint { X = RandomNumberGenerator.GetBytes(32), Y = RandomNumberGenerator.GetBytes(32) };
        Assert.Equal(CardFault.Protocol, Assert.Throws<CardException>(() => _client.Agree(point)).Fault);
    }

    [Theory]
    [InlineData(2048)]
    [InlineData(3072)]
    public void An_rsa_key_deciphers_behind_the_platforms_type(int bits)
    {
        using var own = RSA.Create(bits);
        _client.VerifyPin(PinMode.Admin, AdminPin);
        _client.ImportKey(CardKey.Decipher, own);
        _client.VerifyPin(PinMode.User, Pin);
        using var key = new CardRsa(_client, Key(CardUse.Decipher));
        var secret = own.Encrypt("a session key"u8.ToArray(), RSAEncryptionPadding.Pkcs1);
        Assert.Equal("a session key"u8.ToArray(), key.Decrypt(secret, RSAEncryptionPadding.Pkcs1));
        Assert.Equal(CardFault.NotSupported, Assert.Throws<CardException>(() => key.Decrypt(secret, RSAEncryptionPadding.OaepSHA256)).Fault);
        Assert.Throws<CryptographicException>(() => key.Decrypt(new byte[bits / 8], RSAEncryptionPadding.Pkcs1));
        Assert.Throws<CryptographicException>(() => key.ExportParameters(true));
        Assert.Throws<CryptographicException>(() => key.ExportPkcs8PrivateKey());
    }

    [Fact]
    public void Each_key_has_its_certificate()
    {
        _client.VerifyPin(PinMode.Admin, AdminPin);
        _client.PutCertificate(CardKey.Decipher, RandomNumberGenerator.GetBytes(1500));
        var sign = RandomNumberGenerator.GetBytes(300);
        _client.PutCertificate(CardKey.Sign, sign);
        Assert.Equal(1500, _client.ReadCertificate(CardKey.Decipher).Length);
        Assert.Equal(sign, _client.ReadCertificate(CardKey.Sign));
        Assert.Empty(_client.ReadCertificate(CardKey.Authenticate));
    }

    [Fact]
    public void Objects_for_users_need_the_users_pin_and_others_the_administrators()
    {
        Assert.Throws<CardException>(() => _client.PutData(0x0101, new byte[] { 1 }));
        Assert.Equal(CardFault.PinNeeded, Assert.Throws<CardException>(() => _client.GetData(0x0104)).Fault);
        _client.VerifyPin(PinMode.User, Pin);
        _client.PutData(0x0101, new byte[] { 1 });
        Assert.Throws<CardException>(() => _client.PutData(0x0102, new byte[] { 1 }));
        _client.VerifyPin(PinMode.Admin, AdminPin);
        _client.PutData(0x0102, new byte[] { 2 });
        _card.Reset();
        _client.SelectAgain();
        Assert.Equal([1], _client.GetData(0x0101));
        Assert.Equal([2], _client.GetData(0x0102));
    }

    [Fact]
    public void A_session_ends_with_nothing_verified()
    {
        using (_client.BeginSession())
        {
            _client.VerifyPin(PinMode.User, Pin);
            _client.VerifyPin(PinMode.Admin, AdminPin);
        }
        foreach (var mode in new byte[] { 0x81, 0x82, 0x83 })
            Assert.Equal(0x63C3, _client.Send(new Apdu(0, 0x20, 0, mode)).Status);
    }

    [Fact]
    public void A_terminated_card_comes_back_as_from_the_factory()
    {
        _client.VerifyPin(PinMode.Admin, AdminPin);
        _client.PutData(0x0102, new byte[] { 7 });
        Assert.True(_client.Send(new Apdu(0, 0xE6, 0, 0)).Ok);
        Assert.Equal(0x6285, _client.Send(new Apdu(0, 0xCA, 0, 0x6E, default, 0)).Status);
        Assert.True(_client.Send(new Apdu(0, 0x44, 0, 0)).Ok);
        _client.SelectAgain();
        Assert.Empty(_client.GetData(0x0102));
    }
}
