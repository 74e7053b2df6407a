using System.Security.Cryptography;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.SmartCard.Tests;

/// <summary>What PIV cards have and others have not.</summary>
public sealed class PivCardTests : IDisposable
{
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 0, 0, 0, TimeSpan.Zero);
    private readonly VirtualPivCard _card = VirtualPivCard.CreateInMemory();
    private readonly PivCard _client;

    public PivCardTests() => _client = PivCard.Select(TestCards.Channel(_card));

    public void Dispose() => _card.Dispose();

    [Fact]
    public void Paddings_are_done_outside_the_card_so_oaep_and_pss_work()
    {
        using var own = (RSA)TestKeys.Of(CardKeyAlgorithm.Rsa2048);
        using var session = Administrator();
        _client.ImportKey(_client.Slot(CardUse.Decipher)!, own, Now);
        _client.ImportKey(_client.Slot(CardUse.Sign)!, own, Now);
        using var decipher = new CardRsa(_client, EveryCardTests.Held(_client, CardUse.Decipher));
        User();
        foreach (var padding in new[] { RSAEncryptionPadding.OaepSHA1, RSAEncryptionPadding.OaepSHA256, RSAEncryptionPadding.OaepSHA512, RSAEncryptionPadding.Pkcs1 })
        {
            foreach (var length in new[] { 0, 1, 32, 100 })
            {
                var secret = RandomNumberGenerator.GetBytes(length);
                Assert.Equal(secret, decipher.Decrypt(own.Encrypt(secret, padding), padding));
            }
            var wrong = own.Encrypt("secret"u8, padding == RSAEncryptionPadding.Pkcs1 ? RSAEncryptionPadding.OaepSHA256 : RSAEncryptionPadding.Pkcs1);
            Assert.Throws<CryptographicException>(() => decipher.Decrypt(wrong, padding));
        }
        using var sign = new CardRsa(_client, EveryCardTests.Held(_client, CardUse.Sign));
        foreach (var hash in new[] { HashAlgorithmName.SHA256, HashAlgorithmName.SHA512 })
        {
            User();
            var signature = sign.SignData("a text"u8.ToArray(), hash, RSASignaturePadding.Pss);
            Assert.True(own.VerifyData("a text"u8, signature, hash, RSASignaturePadding.Pss));
        }
    }

    [Fact]
    public void The_signature_key_wants_the_pin_for_each_signature_and_the_card_key_never()
    {
        using var session = Administrator();
        _client.GenerateKey(_client.Slot(CardUse.Sign)!, CardKeyAlgorithm.P256, Now);
        _client.GenerateKey(new CardSlot("9E", CardUse.Authenticate), CardKeyAlgorithm.P256, Now);
        var hash = RandomNumberGenerator.GetBytes(32);
        using (var key = new CardEcdsa(_client, _client.ReadKeys().Single(k => k.Slot.Name == "9E")))
            Assert.True(key.VerifyHash(hash, key.SignHash(hash)));
        User();
        using var sign = new CardEcdsa(_client, EveryCardTests.Held(_client, CardUse.Sign));
        Assert.True(sign.VerifyHash(hash, sign.SignHash(hash)));
        Assert.Equal(CardFault.PinNeeded, Assert.Throws<CardException>(() => sign.SignHash(hash)).Fault);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1600)]
    public void A_certificate_comes_back_as_it_was_compressed_or_not(int filler)
    {
        using var own = (RSA)TestKeys.Of(CardKeyAlgorithm.Rsa2048);
        var certificate = TestKeys.Certificate(own, filler);
        Assert.Equal(filler > 0, certificate.Length > 1856);
        using (Administrator())
            _client.PutCertificate(_client.Slot(CardUse.Decipher)!, certificate);
        using var reading = _client.BeginSession();
        var held = _client.ReadKeys().Single();
        Assert.Equal(certificate, held.Certificate.ToArray());
        // Without a private key: the standard's only word on a public key is its certificate.
        Assert.Equal(own.ExportParameters(false).Modulus, held.Public.Rsa!.Value.Modulus);
        var content = Container(0x5FC10B);
        Assert.Equal(filler > 0 ? (byte)1 : (byte)0, Tlv.Find(content, 0x71)!.Value.Span[0]);
    }

    [Fact]
    public void A_certificate_that_unpacks_without_end_is_none()
    {
        using var packed = new MemoryStream();
        using (var stream = new System.IO.Compression.GZipStream(packed, System.IO.Compression.CompressionLevel.Optimal))
            stream.Write(new byte[1 << 20]);
        byte[] content = [.. Tlv.Encode(0x70, packed.ToArray()), 0x71, 1, 1, 0xFE, 0];
        using (Administrator())
            Put(0x5FC10B, content);
        using var reading = _client.BeginSession();
        Assert.Empty(_client.ReadKeys());
    }

    [Fact]
    public void A_retired_key_opens_old_mail_and_the_key_history_counts_it()
    {
        using var old = (RSA)TestKeys.Of(CardKeyAlgorithm.Rsa2048);
        using var older = (ECDiffieHellman)TestKeys.Of(CardKeyAlgorithm.P384);
        using (Administrator())
        {
            _client.ImportKey(_client.RetiredSlots[0], older, Now);
            _client.ImportKey(_client.RetiredSlots[1], old, Now);
            _client.PutCertificate(_client.RetiredSlots[1], TestKeys.Certificate(old, 0));
            User();
            using var rsa = new CardRsa(_client, _client.ReadKeys().Single(k => k.Slot.Name == "83"));
            Assert.Equal("old"u8.ToArray(), rsa.Decrypt(old.Encrypt("old"u8, RSAEncryptionPadding.OaepSHA256), RSAEncryptionPadding.OaepSHA256));
            using var ecdh = new CardEcdh(_client, _client.ReadKeys().Single(k => k.Slot.Name == "82"));
            Assert.Equal(older.DeriveRawSecretAgreement(older.PublicKey), ecdh.DeriveRawSecretAgreement(older.PublicKey));
        }
        using var reading = _client.BeginSession();
        Assert.All(_client.ReadKeys(), k => Assert.True(k.Slot is { Retired: true, Use: CardUse.Decipher }));
        Assert.Equal([2], Tlv.Find(Container(0x5FC10C), 0xC1)!.Value.ToArray());
    }

    [Fact]
    public void A_renewed_key_moves_its_forerunner_to_a_retired_slot_on_the_card()
    {
        using var own = (RSA)TestKeys.Of(CardKeyAlgorithm.Rsa2048);
        var certificate = TestKeys.Certificate(own, 0);
        using var session = Administrator();
        var present = _client.Slot(CardUse.Decipher)!;
        _client.ImportKey(present, own, Now);
        _client.PutCertificate(present, certificate);
        Assert.Equal("82", _client.RetireKey(present).Name);
        var made = _client.GenerateKey(present, CardKeyAlgorithm.P256, Now);
        var keys = _client.ReadKeys();
        Assert.True(made.IsSameAs(keys[0].Public));
        Assert.Equal(certificate, keys[1].Certificate.ToArray());
        Assert.Equal("83", _client.RetireKey(present).Name);
        User();
        using var old = new CardRsa(_client, keys[1]);
        Assert.Equal("x"u8.ToArray(), old.Decrypt(own.Encrypt("x"u8, RSAEncryptionPadding.Pkcs1), RSAEncryptionPadding.Pkcs1));
    }

    [Fact]
    public void The_ticket_key_has_the_last_slot_of_an_issued_card()
    {
        using var session = Administrator();
        var slot = _client.Slot(CardUse.Ticket)!;
        Assert.Equal("95", slot.Name);
        var made = _client.GenerateKey(slot, CardKeyAlgorithm.P256, Now);
        Assert.True(_client.ReadKeys().Single().Slot is { Retired: true, Use: CardUse.Decipher });
        _client.PutIdentity(new byte[] { 1 });
        var held = _client.ReadKeys().Single();
        Assert.Equal((CardUse.Ticket, false), (held.Slot.Use, held.Slot.Retired));
        Assert.True(made.IsSameAs(held.Public));
        Assert.Equal(CardFault.NotSupported, Assert.Throws<CardException>(() => _client.DecipherAes(new byte[32])).Fault);
    }

    [Theory]
    [InlineData(16)]
    [InlineData(24)]
    [InlineData(32)]
    public void The_management_key_may_be_aes_of_any_length(int length)
    {
        var key = Convert.ToHexString(RandomNumberGenerator.GetBytes(length));
        EveryCardTests.Ok(_client.ChangePin(CardPin.Administrator, VirtualPivCard.DefaultManagementKey, key));
        Assert.IsType<PinResult.Wrong>(_client.Verify(CardPin.Administrator, VirtualPivCard.DefaultManagementKey, CardUse.Sign));
        Assert.IsType<PinResult.Wrong>(_client.Verify(CardPin.Administrator, "no key at all", CardUse.Sign));
        EveryCardTests.Ok(_client.Verify(CardPin.Administrator, key, CardUse.Sign));
    }

    [Fact]
    public void A_card_that_does_not_know_the_management_key_itself_is_refused()
    {
        // It lets everything pass, and answers the challenge with octets of its own.
        var channel = new LocalCardChannel(_card.Atr, apdu => apdu switch
        {
            [_, 0xA4, ..] => [0x90, 0x00],
            [_, 0xF7, ..] => [0x6D, 0x00],
            [_, 0x87, _, 0x9B, _, 0x7C, 0x02, ..] => [.. Tlv.Encode(0x7C, Tlv.Encode(0x80, new byte[8])), 0x90, 0x00],
            [_, 0x87, ..] => [.. Tlv.Encode(0x7C, Tlv.Encode(0x82, new byte[8])), 0x90, 0x00],
            _ => [0x6D, 0x00],
        }, () => { });
        var client = PivCard.Select(channel);
        Assert.Throws<CardException>(() => client.Verify(CardPin.Administrator, VirtualPivCard.DefaultManagementKey, CardUse.Sign));
    }

    [Fact]
    public void What_can_not_be_a_pin_of_this_card_costs_no_try()
    {
        Assert.Equal(new PinResult.Wrong(3), _client.Verify(CardPin.User, "123456789", CardUse.Decipher));
        Assert.Equal(new PinResult.Wrong(3), _client.Verify(CardPin.User, "12345", CardUse.Decipher));
        Assert.Equal(3, _client.Describe().Pin(CardPin.User)!.TriesLeft);
    }

    [Fact]
    public void No_octets_make_the_card_throw()
    {
        var random = new Random(5);
        byte[] instructions = [0x20, 0x24, 0x2C, 0x47, 0x87, 0xA4, 0xC0, 0xCB, 0xDB, 0xF6, 0xF7, 0xF8, 0xFB, 0xFD, 0xFE, 0xFF];
        byte[] references = [0x80, 0x81, 0x82, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0xFF];
        byte[] tags = [0x5C, 0x53, 0x7C, 0x80, 0x81, 0x82, 0x85, 0xAC, 0x01, 0x06];
        for (var i = 0; i < 4000; i++)
        {
            if (i % 50 == 0)
            {
                using var session = Administrator();
                if (i % 400 == 0)
                    _client.GenerateKey(_client.Slot(CardUse.Decipher)!, CardKeyAlgorithm.P256, Now);
            }
            var apdu = new byte[random.Next(0, 40)];
            random.NextBytes(apdu);
            if (apdu.Length > 6)
            {
                apdu[0] = (byte)(random.Next(8) == 0 ? 0x10 : 0);
                apdu[1] = instructions[random.Next(instructions.Length)];
                apdu[3] = references[random.Next(references.Length)];
                apdu[4] = (byte)(apdu.Length - 5);
                apdu[5] = tags[random.Next(tags.Length)];
                apdu[6] = (byte)random.Next(apdu.Length - 6);
            }
            // Not an RSA key pair: that is slow.
            if (apdu.Length > 2 && apdu[1] == 0x47)
                apdu[1] = 0xCB;
            Assert.True(_card.Process(apdu).Length >= 2);
        }
    }

    private void User() => EveryCardTests.Ok(_client.Verify(CardPin.User, VirtualPivCard.DefaultUserPin, CardUse.Decipher));

    private IDisposable Administrator()
    {
        var session = _client.BeginSession();
        EveryCardTests.Ok(_client.Verify(CardPin.Administrator, VirtualPivCard.DefaultManagementKey, CardUse.Sign));
        return session;
    }

    private ReadOnlyMemory<byte> Container(int tag) =>
        new PivApplication(TestCards.Channel(_card)).GetObject(tag) ?? throw new InvalidOperationException("No such object.");

    private void Put(int tag, byte[] content) => new PivApplication(TestCards.Channel(_card)).PutObject(tag, content);
}
