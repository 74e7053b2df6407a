using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Cards;
using GatewaySecure.TestKit;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.SmartCard.Tests;

/// <summary>What holds for a card of any kind, through the interface that programs use. Tokens are SoftHSM's.</summary>
[Collection("tokens")]
public sealed class EveryCardTests : IDisposable
{
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 0, 0, 0, TimeSpan.Zero);
    private readonly List<IDisposable> _cards = [];

    public static TheoryData<CardKind, CardKeyAlgorithm> KindsAndAlgorithms =>
        [.. from kind in Enum.GetValues<CardKind>() from a in Enum.GetValues<CardKeyAlgorithm>() select (kind, a)];

    public static TheoryData<CardKind> Kinds => [.. Enum.GetValues<CardKind>()];

    public static TheoryData<CardKind> KindsThatCount => [CardKind.OpenPgp, CardKind.Piv];

    public void Dispose() => _cards.ForEach(c => c.Dispose());

    [Theory]
    [MemberData(nameof(KindsAndAlgorithms))]
    public async Task Every_algorithm_signs_and_deciphers_or_agrees(CardKind kind, CardKeyAlgorithm algorithm)
    {
        var (card, codes) = await CardAsync(kind);
        Exercise(card, codes, algorithm);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_key_made_on_the_card_is_the_one_it_tells_of(CardKind kind)
    {
        var (card, codes) = await CardAsync(kind);
        using var session = card.BeginSession();
        Issuer(card, codes);
        var made = card.GenerateKey(card.Slot(CardUse.Authenticate)!, CardKeyAlgorithm.P256, Now);
        var held = Held(card, CardUse.Authenticate);
        Assert.True(made.IsSameAs(held.Public));
        Ok(card.Verify(CardPin.User, codes.User, CardUse.Authenticate));
        using var key = new CardEcdsa(card, held);
        using var verifier = ECDsa.Create(made.Ec!.Value);
        Assert.True(verifier.VerifyData("challenge"u8, key.SignData("challenge"u8.ToArray(), HashAlgorithmName.SHA256), HashAlgorithmName.SHA256));
    }

    [Theory]
    [MemberData(nameof(KindsThatCount))]
    public async Task Wrong_pins_are_counted_down_to_blocked_and_the_unblocking_code_gives_them_back(CardKind kind)
    {
        var (card, codes) = await CardAsync(kind);
        Assert.Equal(3, card.Describe().Pin(CardPin.User)!.TriesLeft);
        Assert.Equal(new PinResult.Wrong(2), card.Verify(CardPin.User, "999999", CardUse.Decipher));
        Assert.Equal(2, card.Describe().Pin(CardPin.User)!.TriesLeft);
        Assert.Equal(new PinResult.Wrong(1), card.Verify(CardPin.User, "999999", CardUse.Decipher));
        Assert.IsType<PinResult.Blocked>(card.Verify(CardPin.User, "999999", CardUse.Decipher));
        Assert.IsType<PinResult.Blocked>(card.Verify(CardPin.User, codes.User, CardUse.Decipher));
        Assert.True(card.Describe().Pin(CardPin.User)!.IsBlocked);

        Assert.Equal(new PinResult.Wrong(2), card.Unblock(CardPin.Unblocking, "00000000", "246802"));
        Assert.Equal(2, card.Describe().Pin(CardPin.Unblocking)!.TriesLeft);
        Ok(card.Unblock(CardPin.Unblocking, codes.Unblocking, "246802"));
        Ok(card.Verify(CardPin.User, "246802", CardUse.Decipher));
        Assert.Equal(new PinResult.Wrong(2), card.Verify(CardPin.User, codes.User, CardUse.Decipher));
    }

    [Theory]
    [MemberData(nameof(KindsThatCount))]
    public async Task Codes_are_changed_by_those_who_know_them(CardKind kind)
    {
        var (card, codes) = await CardAsync(kind);
        Assert.Equal(new PinResult.Wrong(2), card.ChangePin(CardPin.User, "999999", "246802"));
        Ok(card.ChangePin(CardPin.User, codes.User, "246802"));
        Ok(card.Verify(CardPin.User, "246802", CardUse.Decipher));
        var fresh = kind == CardKind.Piv ? new string('7', 64) : "87654321";
        Assert.IsType<PinResult.Wrong>(card.ChangePin(CardPin.Administrator, kind == CardKind.Piv ? new string('1', 48) : "00000000", fresh));
        Ok(card.ChangePin(CardPin.Administrator, codes.Administrator, fresh));
        Assert.IsType<PinResult.Wrong>(card.Verify(CardPin.Administrator, codes.Administrator, CardUse.Sign));
        Ok(card.Verify(CardPin.Administrator, fresh, CardUse.Sign));
        Assert.Throws<CardException>(() => card.ChangePin(CardPin.User, "246802", "12345"));
        Assert.Throws<ArgumentException>(() => card.Verify(CardPin.User, "", CardUse.Decipher));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_session_leaves_nothing_verified(CardKind kind)
    {
        var (card, codes) = await CardAsync(kind);
        using (card.BeginSession())
        {
            Issuer(card, codes);
            card.GenerateKey(card.Slot(CardUse.Decipher)!, CardKeyAlgorithm.P256, Now);
        }
        using (card.BeginSession())
            Assert.Equal(CardFault.PinNeeded, Assert.Throws<CardException>(() => card.GenerateKey(card.Slot(CardUse.Decipher)!, CardKeyAlgorithm.P256, Now)).Fault);
        using (card.BeginSession())
            Ok(card.Verify(CardPin.User, codes.User, CardUse.Decipher));
        using (card.BeginSession())
        {
            using var key = new CardEcdh(card, Held(card, CardUse.Decipher));
            Assert.Equal(CardFault.PinNeeded, Assert.Throws<CardException>(() => key.DeriveRawSecretAgreement(key.PublicKey)).Fault);
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Identity_and_certificate_are_told_without_a_pin(CardKind kind)
    {
        var (card, codes) = await CardAsync(kind);
        Assert.Null(card.ReadIdentity());
        using var own = TestKeys.Of(CardKeyAlgorithm.Rsa2048);
        var certificate = TestKeys.Certificate((RSA)own, 0);
        var identity = RandomNumberGenerator.GetBytes(90);
        using (card.BeginSession())
        {
            Issuer(card, codes);
            card.ImportKey(card.Slot(CardUse.Decipher)!, own, Now);
            card.PutCertificate(card.Slot(CardUse.Decipher)!, certificate);
            card.PutIdentity(identity);
            card.PutHolderName("Bob Example");
        }
        using var reading = card.BeginSession();
        Assert.Equal(identity, card.ReadIdentity());
        Assert.Equal(certificate, Held(card, CardUse.Decipher).Certificate.ToArray());
        Assert.NotEmpty(card.Describe().Serial);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task The_platforms_types_refuse_another_curve_and_another_length(CardKind kind)
    {
        var (card, codes) = await CardAsync(kind);
        using var session = card.BeginSession();
        Issuer(card, codes);
        card.GenerateKey(card.Slot(CardUse.Decipher)!, CardKeyAlgorithm.P256, Now);
        Ok(card.Verify(CardPin.User, codes.User, CardUse.Decipher));
        using var key = new CardEcdh(card, Held(card, CardUse.Decipher));
        using var other = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP384);
        Assert.Throws<CryptographicException>(() => key.DeriveRawSecretAgreement(other.PublicKey));
    }

    /// <summary>Brings a key, signs with it, and deciphers or agrees.</summary>
    internal static void Exercise(IIssuableCard card, Codes codes, CardKeyAlgorithm algorithm)
    {
        using var own = TestKeys.Of(algorithm);
        using var session = card.BeginSession();
        Issuer(card, codes);
        foreach (var use in new[] { CardUse.Sign, CardUse.Decipher })
            card.ImportKey(card.Slot(use)!, own, Now);
        var hash = SHA384.HashData("a text"u8);
        Ok(card.Verify(CardPin.User, codes.User, CardUse.Sign));
        if (own is RSA rsa)
        {
            using (var key = new CardRsa(card, Held(card, CardUse.Sign)))
                Assert.True(rsa.VerifyHash(hash, key.SignHash(hash, HashAlgorithmName.SHA384, RSASignaturePadding.Pkcs1), HashAlgorithmName.SHA384, RSASignaturePadding.Pkcs1));
            Ok(card.Verify(CardPin.User, codes.User, CardUse.Decipher));
            using var decipher = new CardRsa(card, Held(card, CardUse.Decipher));
            var secret = RandomNumberGenerator.GetBytes(32);
            Assert.Equal(secret, decipher.Decrypt(rsa.Encrypt(secret, RSAEncryptionPadding.Pkcs1), RSAEncryptionPadding.Pkcs1));
            Assert.Throws<CryptographicException>(() => decipher.Decrypt(new byte[rsa.KeySize / 8], RSAEncryptionPadding.Pkcs1));
            Assert.Throws<CryptographicException>(() => decipher.ExportParameters(true));
            return;
        }
        var curve = (ECDiffieHellman)own;
        using (var key = new CardEcdsa(card, Held(card, CardUse.Sign)))
        using (var verifier = ECDsa.Create(curve.ExportParameters(false)))
            Assert.True(verifier.VerifyHash(hash, key.SignHash(hash)));
        Ok(card.Verify(CardPin.User, codes.User, CardUse.Decipher));
        using var agreement = new CardEcdh(card, Held(card, CardUse.Decipher));
        using var other = ECDiffieHellman.Create(curve.ExportParameters(false).Curve);
        Assert.Equal(other.DeriveRawSecretAgreement(curve.PublicKey), agreement.DeriveRawSecretAgreement(other.PublicKey));
        Assert.Equal(
            other.DeriveKeyFromHash(curve.PublicKey, HashAlgorithmName.SHA256, [1], [2]),
            agreement.DeriveKeyFromHash(other.PublicKey, HashAlgorithmName.SHA256, [1], [2]));
        Assert.Throws<CryptographicException>(() => agreement.ExportParameters(true));
    }

    internal static void Ok(PinResult result) => Assert.IsType<PinResult.Ok>(result);

    internal static CardHeldKey Held(ICard card, CardUse use) => card.ReadKeys().First(k => k.Slot.Use == use && !k.Slot.Retired);

    private static void Issuer(ICard card, Codes codes) => Ok(card.Kind == CardKind.Token
        ? card.Verify(CardPin.User, codes.User, CardUse.Decipher)
        : card.Verify(CardPin.Administrator, codes.Administrator, CardUse.Sign));

    private async Task<(IIssuableCard Card, Codes Codes)> CardAsync(CardKind kind)
    {
        if (kind == CardKind.Token)
        {
            var token = await TestTokens.CreateAsync();
            var opened = TokenCard.Open(SoftHsm.Module, token.Label);
            _cards.Add(opened);
            return (opened, new Codes(token.Pin, "", token.OfficerPin));
        }
        IVirtualCard card = kind == CardKind.Piv ? VirtualPivCard.CreateInMemory() : VirtualOpenPgpCard.CreateInMemory();
        _cards.Add(card);
        var client = CardRecognition.Select(TestCards.Channel(card));
        Assert.Equal(kind, client.Kind);
        if (kind == CardKind.Piv)
            return (client, new Codes(VirtualPivCard.DefaultUserPin, VirtualPivCard.DefaultUnblockingPin, VirtualPivCard.DefaultManagementKey));
        using (client.BeginSession())
        {
            Ok(client.Verify(CardPin.Administrator, VirtualOpenPgpCard.DefaultAdminPin, CardUse.Sign));
            Ok(client.ChangePin(CardPin.Unblocking, "", "76543210"));
        }
        return (client, new Codes(VirtualOpenPgpCard.DefaultUserPin, "76543210", VirtualOpenPgpCard.DefaultAdminPin));
    }

    internal sealed record Codes(string User, string Unblocking, string Administrator);
}

/// <summary>One key of each algorithm for the whole run: making large RSA keys takes seconds.</summary>
internal static class TestKeys
{
    private static readonly System.Collections.Concurrent.ConcurrentDictionary<CardKeyAlgorithm, Lazy<byte[]>> Made = new();

    public static AsymmetricAlgorithm Of(CardKeyAlgorithm algorithm)
    {
        var pkcs8 = Made.GetOrAdd(algorithm, a => new Lazy<byte[]>(() =>
        {
            using var key = Make(a);
            return key.ExportPkcs8PrivateKey();
        })).Value;
        AsymmetricAlgorithm read = algorithm is CardKeyAlgorithm.P256 or CardKeyAlgorithm.P384 ? ECDiffieHellman.Create() : RSA.Create();
        read.ImportPkcs8PrivateKey(pkcs8, out _);
        return read;
    }

    /// <summary>By a CA of its own. <paramref name="filler"/> octets make it longer.</summary>
    public static byte[] Certificate(AsymmetricAlgorithm key, int filler = 0)
    {
        using var authority = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var name = new X500DistinguishedName("CN=Trial CA");
        var publicKey = PublicKey.CreateFromSubjectPublicKeyInfo(key.ExportSubjectPublicKeyInfo(), out _);
        var request = new CertificateRequest(new X500DistinguishedName("CN=Card"), publicKey, HashAlgorithmName.SHA256);
        if (filler > 0)
            request.CertificateExtensions.Add(new X509Extension("1.2.3.4", Enumerable.Range(0, filler).Select(i => (byte)(i * i >> 3)).ToArray(), false));
        using var certificate = request.Create(
            name, X509SignatureGenerator.CreateForECDsa(authority), DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(30), [1, 2, 3]);
        return certificate.RawData;
    }

    private static AsymmetricAlgorithm Make(CardKeyAlgorithm algorithm) => algorithm switch
    {
        CardKeyAlgorithm.P256 => ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256),
        CardKeyAlgorithm.P384 => ECDiffieHellman.Create(ECCurve.NamedCurves.nistP384),
        CardKeyAlgorithm.Rsa3072 => RSA.Create(3072),
        CardKeyAlgorithm.Rsa4096 => RSA.Create(4096),
        _ => RSA.Create(2048),
    };
}
