using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.TestKit;

namespace GatewaySecure.Pkcs11.Tests;

/// <summary>Keys and what they do, against the platform's own arithmetic and OpenSC's tool as witnesses.</summary>
public sealed class KeyTests : IAsyncLifetime
{
    private static readonly KeyTemplate Nothing = new(KeyUses.None);

    private SoftToken _token = null!;
    private TokenConnection _card = null!;

    public async ValueTask InitializeAsync()
    {
        _token = await SoftHsm.Instance.CreateTokenAsync();
        Open();
    }

    [Fact]
    public async Task Attributes_are_as_told_says_another_program()
    {
        _card.Run(s => s.GenerateAes(new KeyTemplate(KeyUses.Wrap | KeyUses.Unwrap) { Label = "strict", OnToken = true, Id = new byte[] { 7 } }));
        _card.Run(s => s.GenerateAes(new KeyTemplate(KeyUses.None) { Label = "lax", OnToken = true, Extractable = true, Sensitive = false, Private = false }));
        _card.Run(s => s.GenerateRsa(
            2048, new KeyTemplate(KeyUses.Verify) { Label = "rsa", OnToken = true }, new KeyTemplate(KeyUses.Sign) { Label = "rsa", OnToken = true }));
        var list = await SoftHsm.Instance.WitnessAsync(_token, "--list-objects");

        var strict = Section(list, "Secret Key Object", "strict");
        Assert.Contains("AES length 32", strict, StringComparison.Ordinal);
        Assert.Matches(@"Usage:\s+wrap, unwrap\s*\n", strict);
        Assert.Matches(@"Access:\s+sensitive, always sensitive, never extractable, local", strict);
        Assert.Matches(@"ID:\s+07", strict);
        Assert.Matches(@"Usage:\s+none\s*\n\s+Access:\s+extractable, local", Section(list, "Secret Key Object", "lax"));
        Assert.Matches(@"Usage:\s+sign\s*\n\s+Access:\s+sensitive, always sensitive, never extractable, local", Section(list, "Private Key Object", "rsa"));
        Assert.Matches(@"Usage:\s+verify\s*\n", Section(list, "Public Key Object", "rsa"));

        var facts = _card.Run(s => s.Describe(s.Find(TokenObjectKind.SecretKey, "strict")));
        Assert.Equal(
            new KeyFacts(KeyUses.Wrap | KeyUses.Unwrap, "strict", true, true, true, false, true, true, true, false, false, true), facts);
    }

    [Fact]
    public void A_sensitive_key_is_not_read_back_and_becomes_no_laxer()
    {
        var (kept, open) = _card.Run(s => (s.GenerateAes(new KeyTemplate(KeyUses.Decrypt) { Extractable = true }), s.GenerateAes(new KeyTemplate(KeyUses.Decrypt) { Sensitive = false, Extractable = true })));
        Assert.Null(_card.Run(s => s.ReadValue(kept)));
        Assert.Equal(32, _card.Run(s => s.ReadValue(open))!.Length);
        kept = _card.Run(s => s.Keep(kept, "kept"));
        var wrapping = _card.Run(s => s.GenerateAes(new KeyTemplate(KeyUses.Wrap)));
        Refuses(s => s.Wrap(wrapping, kept, WrapMethod.AesKeyWrap));
        Refuses(s => s.Keep(kept, "again"));
        Assert.True(_card.Run(s => s.Describe(kept)) is { Extractable: false, Modifiable: false, OnToken: true });
        Refuses(s => s.DecryptCbc(wrapping, new byte[32]));
    }

    [Fact]
    public void Symmetric_operations_agree_with_the_platform()
    {
        var value = RandomNumberGenerator.GetBytes(32);
        var data = RandomNumberGenerator.GetBytes(48);
        var nonce = RandomNumberGenerator.GetBytes(12);
        var key = _card.Run(s => s.ImportAes(value, new KeyTemplate(KeyUses.Encrypt | KeyUses.Decrypt)));
        using var aes = Aes.Create();
        aes.Key = value;
        Assert.Equal(aes.DecryptCbc(data, new byte[16], PaddingMode.None), _card.Run(s => s.DecryptCbc(key, data)));

        using var gcm = new AesGcm(value, 16);
        var box = _card.Run(s => s.EncryptGcm(key, nonce, [1, 2], data));
        var plain = new byte[data.Length];
        gcm.Decrypt(nonce, box.AsSpan(0, data.Length), box.AsSpan(data.Length), plain, [1, 2]);
        Assert.Equal(data, plain);
        Assert.Equal(data, _card.Run(s => s.DecryptGcm(key, nonce, [1, 2], box)));
        Assert.Throws<TokenException>(() => _card.Run(s => s.DecryptGcm(key, nonce, [1, 3], box)));

        var mac = _card.Run(s => s.GenerateHmacKey(new KeyTemplate(KeyUses.Sign) { Sensitive = false, Extractable = true }));
        Assert.Equal(HMACSHA256.HashData(_card.Run(s => s.ReadValue(mac))!, data), _card.Run(s => s.Hmac(mac, data)));
    }

    [Theory]
    [InlineData(2048)]
    [InlineData(3072)]
    public void Rsa_signs_and_decrypts_for_the_platform(int bits)
    {
        var pair = _card.Run(s => s.GenerateRsa(bits, Nothing, new KeyTemplate(KeyUses.Sign | KeyUses.Decrypt)));
        using var rsa = RSA.Create(_card.Run(s => s.ReadRsa(pair.Public))!.Value);
        Assert.Equal(bits, rsa.KeySize);
        Assert.Equal(rsa.ExportParameters(false).Modulus, _card.Run(s => s.ReadRsa(pair.Private))!.Value.Modulus);
        var hash = SHA256.HashData("text"u8);
        foreach (var padding in new[] { RSASignaturePadding.Pkcs1, RSASignaturePadding.Pss })
            Assert.True(rsa.VerifyHash(hash, _card.Run(s => s.SignRsa(pair.Private, hash, HashAlgorithmName.SHA256, padding)), HashAlgorithmName.SHA256, padding));
        var secret = RandomNumberGenerator.GetBytes(32);
        foreach (var padding in new[] { RSAEncryptionPadding.Pkcs1, RSAEncryptionPadding.OaepSHA1 })
            Assert.Equal(secret, _card.Run(s => s.DecryptRsa(pair.Private, rsa.Encrypt(secret, padding), padding)));
        Assert.Equal(bits / 8, _card.Run(s => s.DecryptRsaRaw(pair.Private, rsa.Encrypt(secret, RSAEncryptionPadding.OaepSHA256))).Length);
    }

    [Theory]
    [InlineData("nistP256")]
    [InlineData("nistP384")]
    public void Curves_sign_and_agree_with_the_platform(string name)
    {
        var curve = ECCurve.CreateFromFriendlyName(name);
        var pair = _card.Run(s => s.GenerateEc(curve, new KeyTemplate(KeyUses.Verify), new KeyTemplate(KeyUses.Sign | KeyUses.Derive)));
        var point = _card.Run(s => s.ReadEc(pair.Public))!.Value;
        using var ecdsa = ECDsa.Create(point);
        var hash = SHA256.HashData("text"u8);
        Assert.True(ecdsa.VerifyHash(hash, _card.Run(s => s.SignEcdsa(pair.Private, hash))));

        using var mine = ECDiffieHellman.Create(curve);
        using var theirs = ECDiffieHellman.Create(point);
        var q = mine.ExportParameters(false).Q;
        Assert.Equal(mine.DeriveRawSecretAgreement(theirs.PublicKey), _card.Run(s => s.Agree(pair.Private, [4, .. q.X!, .. q.Y!])));
    }

    [Fact]
    public void Private_keys_wrap_into_pkcs8_that_the_platform_reads()
    {
        var value = RandomNumberGenerator.GetBytes(32);
        var kek = _card.Run(s => s.ImportAes(value, new KeyTemplate(KeyUses.Wrap | KeyUses.Unwrap)));
        using var aes = Aes.Create();
        aes.Key = value;
        var (pair, wrapped) = _card.Run(s =>
        {
            var made = s.GenerateRsa(2048, Nothing, new KeyTemplate(KeyUses.Decrypt) { Extractable = true });
            return (made, s.Wrap(kek, made.Private, WrapMethod.AesKeyWrapPadded));
        });
        using var rsa = RSA.Create();
        rsa.ImportPkcs8PrivateKey(aes.DecryptKeyWrapPadded(wrapped), out _);
        Assert.Equal(_card.Run(s => s.ReadRsa(pair.Public))!.Value.Modulus, rsa.ExportParameters(false).Modulus);
        var again = _card.Run(s => s.UnwrapRsa(kek, wrapped, WrapMethod.AesKeyWrapPadded, new KeyTemplate(KeyUses.Decrypt)));
        Assert.Equal([1, 2], _card.Run(s => s.DecryptRsa(again, rsa.Encrypt([1, 2], RSAEncryptionPadding.Pkcs1), RSAEncryptionPadding.Pkcs1)));

        using var ec = ECDsa.Create();
        var wrappedEc = _card.Run(s => s.Wrap(
            kek, s.GenerateEc(ECCurve.NamedCurves.nistP256, Nothing, new KeyTemplate(KeyUses.Sign) { Extractable = true }).Private, WrapMethod.AesKeyWrapPadded));
        ec.ImportPkcs8PrivateKey(aes.DecryptKeyWrapPadded(wrappedEc), out _);
        var hash = SHA256.HashData("text"u8);
        Assert.True(ec.VerifyHash(hash, _card.Run(s => s.SignEcdsa(s.UnwrapEc(kek, wrappedEc, WrapMethod.AesKeyWrapPadded, new KeyTemplate(KeyUses.Sign)), hash))));
        wrapped[9] ^= 1;
        Assert.Throws<TokenException>(() => _card.Run(s => s.UnwrapRsa(kek, wrapped, WrapMethod.AesKeyWrapPadded, new KeyTemplate(KeyUses.Decrypt))));
    }

    [Fact]
    public void A_secret_leaves_under_an_imported_public_key()
    {
        using var rsa = RSA.Create(2048);
        var wrapped = _card.Run(s =>
        {
            var target = s.ImportRsaPublicKey(rsa.ExportParameters(false), new KeyTemplate(KeyUses.Wrap));
            return s.Wrap(target, s.GenerateAes(new KeyTemplate(KeyUses.None) { Extractable = true }), WrapMethod.RsaOaepSha1);
        });
        Assert.Equal(32, rsa.Decrypt(wrapped, RSAEncryptionPadding.OaepSHA1).Length);
    }

    [Fact]
    public void What_the_token_cannot_do_is_said()
    {
        var pair = _card.Run(s => s.GenerateRsa(2048, Nothing, new KeyTemplate(KeyUses.Decrypt)));
        var e = Assert.Throws<TokenException>(() => _card.Run(s => s.DecryptRsa(pair.Private, new byte[256], RSAEncryptionPadding.OaepSHA256)));
        Assert.Equal(TokenFault.NotSupported, e.Fault);
        Assert.Contains("no secret key 'none'", Assert.Throws<TokenException>(() => _card.Run(s => s.Find(TokenObjectKind.SecretKey, "none"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Certificates_that_another_program_wrote_are_read_and_ours_by_it()
    {
        using var directory = new TempDirectory();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = new CertificateRequest("CN=Bob", key, HashAlgorithmName.SHA256)
            .CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(90));
        await File.WriteAllBytesAsync(directory["c.der"], certificate.RawData, TestContext.Current.CancellationToken);
        foreach (var id in new[] { "01", "02" })
            await SoftHsm.Instance.WitnessAsync(_token, "--write-object", directory["c.der"], "--type", "cert", "--id", id, "--label", "theirs");
        _card.Dispose();
        Open();
        _card.Run(s => s.ImportCertificate(certificate.RawData, certificate.SubjectName.RawData, "ours", new byte[] { 3 }));

        var all = _card.Run(s => s.FindAll(TokenObjectKind.Certificate).Select(c => (Id: s.Id(c)[0], Label: s.Label(c), Value: s.ReadValue(c))).OrderBy(c => c.Id).ToList());
        Assert.Equal([(1, "theirs"), (2, "theirs"), (3, "ours")], all.Select(c => ((int)c.Id, c.Label)));
        Assert.All(all, c => Assert.Equal(certificate.RawData, c.Value));
        Assert.Contains("subject:    DN: CN=Bob", await SoftHsm.Instance.WitnessAsync(_token, "--list-objects", "--type", "cert", "--id", "03"), StringComparison.Ordinal);
    }

    public ValueTask DisposeAsync()
    {
        _card.Dispose();
        return ValueTask.CompletedTask;
    }

    private static string Section(string list, string kind, string label) => list.ReplaceLineEndings("\n")
        .Split('\n')
        .Aggregate(new List<string>(), (sections, line) =>
        {
            if (line.Contains(" Object;", StringComparison.Ordinal))
                sections.Add("");
            if (sections.Count > 0)
                sections[^1] += line + "\n";
            return sections;
        })
        .Single(s => s.StartsWith(kind, StringComparison.Ordinal) && s.Contains($" {label}\n", StringComparison.Ordinal));

    private void Open()
    {
        var module = Pkcs11Module.Load(SoftHsm.Module);
        // SoftHSM looks for tokens, and for what other programs did to them, when it starts.
        module.Reinitialize(module.Generation);
        _card = TokenConnection.Open(module, new TokenSelector(_token.Label));
        Assert.Equal(PinAnswer.Accepted, _card.Login(TokenRole.User, _token.Pin));
    }

    private void Refuses<T>(Func<TokenSession, T> call) =>
        Assert.Equal(TokenFault.NotPermitted, Assert.Throws<TokenException>(() => _card.Run(call)).Fault);
}
