using System.Security.Cryptography;
using GatewaySecure.Cards;
using GatewaySecure.TestKit;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.SmartCard.Tests;

/// <summary>Programs that others wrote meet the virtual PIV card, and keys that our client put there, through the real pcscd.</summary>
[Collection("pcscd")]
public sealed class PivWitnessTests(PrivatePcscd pcscd) : IDisposable
{
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 0, 0, 0, TimeSpan.Zero);
    private readonly VirtualPivCard _card = VirtualPivCard.CreateInMemory();
    private readonly TempDirectory _directory = new();

    private static string OpenscModule => Directory.GetDirectories("/usr/lib", "*-linux-gnu").Select(d => Path.Combine(d, "opensc-pkcs11.so")).First(File.Exists);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _card.Dispose();
        _directory.Dispose();
    }

    [Fact]
    public async Task Opensc_recognises_a_piv_card()
    {
        await using var plugged = await pcscd.PlugAsync(_card);
        var name = await Tool.RunAsync("opensc-tool", ["-r", plugged.Reader, "-n"], null, pcscd.Environment);
        Assert.Contains("Personal Identity Verification Card", name.Checked().All, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(CardKeyAlgorithm.Rsa2048, "SHA256-RSA-PKCS")]
    [InlineData(CardKeyAlgorithm.Rsa3072, "SHA256-RSA-PKCS")]
    [InlineData(CardKeyAlgorithm.P256, "ECDSA-SHA256")]
    [InlineData(CardKeyAlgorithm.P384, "ECDSA-SHA256")]
    public async Task Pkcs11_tool_signs_with_a_key_that_we_imported_and_openssl_verifies(CardKeyAlgorithm algorithm, string mechanism)
    {
        using var key = TestKeys.Of(algorithm);
        Bring(CardUse.Authenticate, key);
        await File.WriteAllTextAsync(_directory["public.pem"], key.ExportSubjectPublicKeyInfoPem(), Cancel);
        await File.WriteAllTextAsync(_directory["text"], "a text", Cancel);
        await using var plugged = await pcscd.PlugAsync(_card);
        var signed = await Pkcs11Async(["--sign", "--mechanism", mechanism, "--id", "01", "--signature-format", "openssl", "-i", _directory["text"], "-o", _directory["signature"]]);
        Assert.True(signed.ExitCode == 0, signed.All);
        var verified = await Tool.RunAsync("openssl",
            ["dgst", "-sha256", "-verify", _directory["public.pem"], "-signature", _directory["signature"], _directory["text"]]);
        Assert.Contains("Verified OK", verified.Checked().All, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Pkcs11_tool_decrypts_what_openssl_encrypted()
    {
        using var key = (RSA)TestKeys.Of(CardKeyAlgorithm.Rsa2048);
        Bring(CardUse.Decipher, key);
        await File.WriteAllTextAsync(_directory["public.pem"], key.ExportSubjectPublicKeyInfoPem(), Cancel);
        await File.WriteAllTextAsync(_directory["text"], "a session key", Cancel);
        (await Tool.RunAsync("openssl", ["pkeyutl", "-encrypt", "-pubin", "-inkey", _directory["public.pem"], "-in", _directory["text"], "-out", _directory["secret"]])).Checked();
        await using var plugged = await pcscd.PlugAsync(_card);
        var opened = await Pkcs11Async(["--decrypt", "--mechanism", "RSA-PKCS", "--id", "03", "-i", _directory["secret"], "-o", _directory["clear"]]);
        Assert.True(opened.ExitCode == 0, opened.All);
        Assert.Equal("a session key", await File.ReadAllTextAsync(_directory["clear"], Cancel));
    }

    [Theory]
    [InlineData(CardKeyAlgorithm.P256)]
    [InlineData(CardKeyAlgorithm.P384)]
    public async Task Pkcs11_tool_agrees_on_the_same_secret_as_openssl(CardKeyAlgorithm algorithm)
    {
        using var key = (ECDiffieHellman)TestKeys.Of(algorithm);
        Bring(CardUse.Decipher, key);
        using var other = ECDiffieHellman.Create(key.ExportParameters(false).Curve);
        await File.WriteAllBytesAsync(_directory["other.der"], other.ExportSubjectPublicKeyInfo(), Cancel);
        await File.WriteAllTextAsync(_directory["other.pem"], other.ExportPkcs8PrivateKeyPem(), Cancel);
        await File.WriteAllTextAsync(_directory["public.pem"], key.ExportSubjectPublicKeyInfoPem(), Cancel);
        (await Tool.RunAsync("openssl", ["pkeyutl", "-derive", "-inkey", _directory["other.pem"], "-peerkey", _directory["public.pem"], "-out", _directory["theirs"]])).Checked();
        await using var plugged = await pcscd.PlugAsync(_card);
        var agreed = await Pkcs11Async(["--derive", "--mechanism", "ECDH1-COFACTOR-DERIVE", "--id", "03", "-i", _directory["other.der"], "-o", _directory["ours"]]);
        Assert.True(agreed.ExitCode == 0, agreed.All);
        Assert.Equal(await File.ReadAllBytesAsync(_directory["theirs"], Cancel), await File.ReadAllBytesAsync(_directory["ours"], Cancel));
    }

    [Fact]
    public async Task Pkcs11_tool_finds_a_retired_key_by_the_key_history()
    {
        using var key = (RSA)TestKeys.Of(CardKeyAlgorithm.Rsa2048);
        var client = PivCard.Select(TestCards.Channel(_card));
        using (client.BeginSession())
        {
            EveryCardTests.Ok(client.Verify(CardPin.Administrator, VirtualPivCard.DefaultManagementKey, CardUse.Sign));
            client.ImportKey(client.RetiredSlots[0], key, Now);
            client.PutCertificate(client.RetiredSlots[0], TestKeys.Certificate(key));
        }
        await using var plugged = await pcscd.PlugAsync(_card);
        var listed = await Pkcs11Async(["--list-objects", "--type", "cert"]);
        Assert.Contains("Retired", listed.Checked().All, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task A_token_that_is_pulled_out_is_noticed_through_openscs_module()
    {
        using var key = TestKeys.Of(CardKeyAlgorithm.P256);
        Bring(CardUse.Authenticate, key);
        var plugged = await pcscd.PlugAsync(_card);
        using var token = CardConnection.Open(new CardChoice(Module: OpenscModule));
        var removed = token.WaitForRemovalAsync(TimeProvider.System, Cancel);
        await Task.Delay(1000, Cancel);
        Assert.False(removed.IsCompleted);
        await plugged.DisposeAsync();
        await removed.WaitAsync(TimeSpan.FromSeconds(10), Cancel);
    }

    [Fact]
    public async Task Yubico_piv_tool_makes_a_key_and_a_certificate_that_our_client_uses()
    {
        await using var plugged = await pcscd.PlugAsync(_card);
        var status = await YubicoAsync(["-a", "status"]);
        Assert.Contains("PIN tries left:\t3", status.Checked().All, StringComparison.Ordinal);
        var made = await YubicoAsync(["-a", "generate", "-s", "9d", "-A", "ECCP256", "-o", _directory["public.pem"]]);
        Assert.True(made.ExitCode == 0, made.All);
        using (var key = ECDiffieHellman.Create())
        {
            key.ImportFromPem(await File.ReadAllTextAsync(_directory["public.pem"], Cancel));
            await File.WriteAllTextAsync(_directory["bob.pem"], PemEncoding.WriteString("CERTIFICATE", TestKeys.Certificate(key)), Cancel);
        }
        var written = await YubicoAsync(["-a", "import-certificate", "-s", "9d", "-i", _directory["bob.pem"]]);
        Assert.True(written.ExitCode == 0, written.All);
        var changed = await YubicoAsync(["-a", "change-pin", "-P", VirtualPivCard.DefaultUserPin, "-N", "246802"]);
        Assert.True(changed.ExitCode == 0, changed.All);

        using var context = new PcscContext();
        using var channel = context.Connect(plugged.Reader);
        var client = CardRecognition.Select(channel);
        using var session = client.BeginSession();
        EveryCardTests.Ok(client.Verify(CardPin.User, "246802", CardUse.Decipher));
        var held = EveryCardTests.Held(client, CardUse.Decipher);
        Assert.NotEmpty(held.Certificate.ToArray());
        using var ours = new CardEcdh(client, held);
        using var other = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);
        Assert.Equal(other.DeriveRawSecretAgreement(ours.PublicKey), ours.DeriveRawSecretAgreement(other.PublicKey));
    }

    [Fact]
    public async Task Yubico_piv_tool_unblocks_and_changes_the_management_key_and_puk()
    {
        await using var plugged = await pcscd.PlugAsync(_card);
        var unblocked = await YubicoAsync(["-a", "unblock-pin", "-P", VirtualPivCard.DefaultUnblockingPin, "-N", "135791"]);
        Assert.True(unblocked.ExitCode == 0, unblocked.All);
        var key = new string('5', 48);
        var changed = await YubicoAsync(["-a", "set-mgm-key", "-n", key]);
        Assert.True(changed.ExitCode == 0, changed.All);
        var client = PivCard.Select(TestCards.Channel(_card));
        EveryCardTests.Ok(client.Verify(CardPin.User, "135791", CardUse.Decipher));
        EveryCardTests.Ok(client.Verify(CardPin.Administrator, key, CardUse.Sign));
    }

    private void Bring(CardUse use, AsymmetricAlgorithm key)
    {
        var client = PivCard.Select(TestCards.Channel(_card));
        using var session = client.BeginSession();
        EveryCardTests.Ok(client.Verify(CardPin.Administrator, VirtualPivCard.DefaultManagementKey, CardUse.Sign));
        client.ImportKey(client.Slot(use)!, key, Now);
        client.PutCertificate(client.Slot(use)!, TestKeys.Certificate(key));
    }

    private Task<ToolResult> Pkcs11Async(IEnumerable<string> arguments) =>
        Tool.RunAsync("pkcs11-tool", ["--login", "--pin", VirtualPivCard.DefaultUserPin, .. arguments], null, pcscd.Environment);

    private Task<ToolResult> YubicoAsync(IEnumerable<string> arguments) =>
        Tool.RunAsync("yubico-piv-tool", ["-r", "Trial", .. arguments], null, pcscd.Environment);
}
