using System.Security.Cryptography;
using GatewaySecure.Addresses;

namespace GatewaySecure.KdcCore.Tests;

public sealed class PrimitiveTests
{
    // RFC 3394 §4.1, §4.2, §4.3, §4.4, §4.5, §4.6
    [Theory]
    [InlineData("000102030405060708090A0B0C0D0E0F", "00112233445566778899AABBCCDDEEFF", "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5")]
    [InlineData(
        "000102030405060708090A0B0C0D0E0F1011121314151617", "00112233445566778899AABBCCDDEEFF",
        "96778B25AE6CA435F92B5B97C050AED2468AB8A17AD84E5D")]
    [InlineData(
        "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F", "00112233445566778899AABBCCDDEEFF",
        "64E8C3F9CE0F5BA263E9777905818A2A93C8191E7D6E8AE7")]
    [InlineData(
        "000102030405060708090A0B0C0D0E0F1011121314151617", "00112233445566778899AABBCCDDEEFF0001020304050607",
        "031D33264E15D33268F24EC260743EDCE1C6C7DDEE725A936BA814915C6762D2")]
    [InlineData(
        "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F", "00112233445566778899AABBCCDDEEFF0001020304050607",
        "A8F9BC1612C68B3FF6E6F4FBE30E71E4769C8B80A32CB8958CD5D17D6B254DA1")]
    [InlineData(
        "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
        "00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F",
        "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21")]
    public void Key_wrap_agrees_with_rfc_3394(string kek, string key, string wrapped)
    {
        Assert.Equal(wrapped, Convert.ToHexString(AesKeyWrap.Wrap(Convert.FromHexString(kek), Convert.FromHexString(key))));
        Assert.Equal(key, Convert.ToHexString(AesKeyWrap.Unwrap(Convert.FromHexString(kek), Convert.FromHexString(wrapped))!));
    }

    [Fact]
    public void Key_wrap_refuses_every_changed_bit()
    {
        var kek = RandomNumberGenerator.GetBytes(32);
        var wrapped = AesKeyWrap.Wrap(kek, RandomNumberGenerator.GetBytes(32));
        for (var bit = 0; bit < wrapped.Length * 8; bit++)
        {
            var changed = wrapped.ToArray();
            changed[bit / 8] ^= (byte)(1 << bit % 8);
            Assert.Null(AesKeyWrap.Unwrap(kek, changed));
        }
    }

    // RFC 5869 A.3: no salt, no info. Shows that "no salt" of the platform is the RFC's.
    [Fact]
    public void Hkdf_without_salt_agrees_with_rfc_5869()
    {
        var okm = new byte[42];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, Enumerable.Repeat((byte)0x0b, 22).ToArray(), okm, salt: [], info: []);
        Assert.Equal("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8", Convert.ToHexStringLower(okm));
    }

    [Fact]
    public void Attribute_oid_has_the_documented_octets()
    {
        var writer = new System.Formats.Asn1.AsnWriter(System.Formats.Asn1.AsnEncodingRules.DER);
        writer.WriteObjectIdentifier(TicketContext.AttributeOid);
        Assert.Equal("06156981B3FB95EBE5939AA995BE81DAB9C5DBABB87B01", Convert.ToHexString(writer.Encode()));
    }

    [Fact]
    public void Card_identity_survives_encoding_and_nothing_else_decodes()
    {
        var identity = new CardIdentity(Realm.Parse("example.org"), PrincipalId.New(), 3, MailAddress.Parse("bob@example.org"));
        var der = identity.Encode();
        Assert.Equal(identity, CardIdentity.Decode(der));
        Assert.Null(CardIdentity.Decode(der.AsMemory(0, der.Length - 1)));
        Assert.Null(CardIdentity.Decode(new byte[] { 0x30, 0x00 }));
        Assert.Null(CardIdentity.Decode((byte[])[.. der, 0]));
    }

    [Fact]
    public void A_pinned_realm_key_follows_the_identity_and_must_be_one_on_p256()
    {
        var identity = new CardIdentity(Realm.Parse("example.org"), PrincipalId.New(), 3, MailAddress.Parse("bob@example.org"));
        Assert.Null(EnrolledCard.Decode(identity.Encode())!.OpenRealmKey());
        using var realm = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var enrolled = EnrolledCard.Decode(new EnrolledCard(identity, realm.ExportSubjectPublicKeyInfo()).Encode())!;
        Assert.Equal(identity, enrolled.Identity);
        using (var pinned = enrolled.OpenRealmKey()!)
            Assert.True(pinned.VerifyData("text"u8, realm.SignData("text"u8, HashAlgorithmName.SHA256), HashAlgorithmName.SHA256));
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        foreach (var wrong in new[] { other.ExportSubjectPublicKeyInfo(), [.. realm.ExportSubjectPublicKeyInfo(), 0], [1, 2, 3] })
            Assert.ThrowsAny<CryptographicException>(() => EnrolledCard.Decode(new EnrolledCard(identity, wrong).Encode())!.OpenRealmKey());
        foreach (var junk in new byte[][] { [], [0x30], [0x30, 0x00], [0xFF, 0xFF, 0xFF] })
            Assert.Null(EnrolledCard.Decode(junk));
    }

    [Theory]
    [InlineData("Example.org")]
    [InlineData("example.org.")]
    [InlineData("[192.0.2.1]")]
    [InlineData("bücher.example")]
    [InlineData("")]
    public void A_realm_has_one_spelling(string name) => Assert.False(Realm.TryParse(name, out _));
}
