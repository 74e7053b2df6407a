using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using GatewaySecure.Cards;
using GatewaySecure.SmartCard;
using GatewaySecure.TestKit;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.CardClient.Tests;

/// <summary>S/MIME from OpenSSL, for keys of every kind that a card may hold, opened by <c>cardmail</c> as a user runs it.</summary>
[Collection("tokens")]
public sealed class OldMailTests : IDisposable
{
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 0, 0, 0, TimeSpan.Zero);
    private readonly TempDirectory _directory = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static TheoryData<CardKind, string> CurvesByKind => [.. from k in new[] { CardKind.OpenPgp, CardKind.Piv } from c in new[] { "P-256", "P-384" } select (k, c)];

    public void Dispose() => _directory.Dispose();

    [Theory]
    [MemberData(nameof(CurvesByKind))]
    public async Task Mail_for_a_key_on_a_curve_opens(CardKind kind, string curve)
    {
        using var key = ECDiffieHellman.Create(ECCurve.CreateFromFriendlyName(curve == "P-256" ? "nistP256" : "nistP384"));
        Make(kind, card => Bring(card, card.Slot(CardUse.Decipher)!, key, "bob"));
        foreach (var kdf in new[] { "sha1", "sha256", "sha384" })
        {
            await SealAsync("bob", "-aes-256-gcm", "-keyopt", "ecdh_kdf_md:" + kdf);
            await OpensAsync();
        }
    }

    [Fact]
    public async Task Oaep_opens_with_a_piv_card()
    {
        using var key = RSA.Create(2048);
        Make(CardKind.Piv, card => Bring(card, card.Slot(CardUse.Decipher)!, key, "bob"));
        await SealAsync("bob", "-aes-256-cbc", "-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256");
        await OpensAsync();
    }

    [Fact]
    public async Task Oaep_is_refused_by_an_openpgp_card_in_plain_words()
    {
        using var key = RSA.Create(2048);
        Make(CardKind.OpenPgp, card => Bring(card, card.Slot(CardUse.Decipher)!, key, "bob"));
        await SealAsync("bob", "-aes-256-cbc", "-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256");
        var result = await CardmailAsync();
        Assert.True(result.ExitCode == (int)OpeningStatus.NotReadable, result.All);
        Assert.Contains("can't open OAEP", JsonDocument.Parse(result.Output).RootElement.GetProperty("text").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_present_and_retired_key_is_tried()
    {
        using var present = RSA.Create(2048);
        using var old = RSA.Create(2048);
        using var older = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);
        Make(CardKind.Piv, card =>
        {
            Bring(card, card.Slot(CardUse.Decipher)!, present, "present");
            Bring(card, card.RetiredSlots[0], older, "older");
            Bring(card, card.RetiredSlots[7], old, "old");
        });
        foreach (var name in new[] { "older", "old", "present" })
        {
            await SealAsync(name, "-aes-256-cbc");
            await OpensAsync();
        }
        using var stranger = RSA.Create(2048);
        Write("stranger", Certify(stranger, "stranger"));
        await SealAsync("stranger", "-aes-256-cbc");
        Assert.Equal((int)OpeningStatus.NotForThisCard, (await CardmailAsync()).ExitCode);
    }

    [Fact]
    public async Task A_token_opens_mail_through_its_module()
    {
        var token = await SoftHsm.Instance.CreateTokenAsync();
        var module = Pkcs11.Pkcs11Module.Load(SoftHsm.Module);
        // SoftHSM looks for tokens when it starts.
        module.Reinitialize(module.Generation);
        using var old = RSA.Create(2048);
        using var present = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);
        using (var card = TokenCard.Open(SoftHsm.Module, token.Label))
        using (card.BeginSession())
        {
            Assert.IsType<PinResult.Ok>(card.Verify(CardPin.User, token.Pin, CardUse.Decipher));
            Bring(card, card.Slot(CardUse.Decipher)!, old, "old");
            card.RetireKey(card.Slot(CardUse.Decipher)!);
            Bring(card, card.Slot(CardUse.Decipher)!, present, "present");
        }
        string[] which = ["--module", SoftHsm.Module, "--token", token.Label];
        foreach (var (name, more) in new[] { ("old", new[] { "-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256" }), ("present", []) })
        {
            await SealAsync(name, "-aes-256-cbc", more);
            var result = await Tool.RunAsync("dotnet",
                [typeof(MailOpening).Assembly.Location, "open", Mail, "--out", Clear, "--pin-stdin", "--json", .. which],
                Encoding.ASCII.GetBytes(token.Pin + "\n"), SoftHsm.Instance.Environment);
            Assert.True(result.ExitCode is 0 or 1, result.All);
            Assert.Contains("For the card's key.", await File.ReadAllTextAsync(Clear, Cancel), StringComparison.Ordinal);
            File.Delete(Clear);
        }
        var status = await Tool.RunAsync("dotnet", [typeof(MailOpening).Assembly.Location, "status", .. which], null, SoftHsm.Instance.Environment);
        Assert.Contains("opens old mail", status.Checked().All, StringComparison.Ordinal);
    }

    private string Card => _directory["bob.card"];

    private string Mail => _directory["mail.eml"];

    private string Clear => _directory["clear.eml"];

    private void Make(CardKind kind, Action<IIssuableCard> fill)
    {
        using IVirtualCard card = kind == CardKind.Piv ? VirtualPivCard.Create(Card) : VirtualOpenPgpCard.Create(Card);
        var client = CardRecognition.Select(new LocalCardChannel(card.Atr, a => card.Process(a), card.Reset));
        using var session = client.BeginSession();
        var code = kind == CardKind.Piv ? VirtualPivCard.DefaultManagementKey : VirtualOpenPgpCard.DefaultAdminPin;
        Assert.IsType<PinResult.Ok>(client.Verify(CardPin.Administrator, code, CardUse.Sign));
        fill(client);
    }

    private void Bring(IIssuableCard card, CardSlot slot, AsymmetricAlgorithm key, string name)
    {
        card.ImportKey(slot, key, Now);
        var certificate = Certify(key, name);
        card.PutCertificate(slot, certificate);
        Write(name, certificate);
    }

    private void Write(string name, byte[] certificate) =>
        File.WriteAllText(_directory[name + ".pem"], PemEncoding.WriteString("CERTIFICATE", certificate));

    private static byte[] Certify(AsymmetricAlgorithm key, string name)
    {
        using var authority = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var publicKey = PublicKey.CreateFromSubjectPublicKeyInfo(key.ExportSubjectPublicKeyInfo(), out _);
        var request = new CertificateRequest(new X500DistinguishedName("CN=" + name), publicKey, HashAlgorithmName.SHA256);
        // As authorities write it for keys on curves; the platform gives no ECDSA key for such a certificate.
        var usage = key is RSA ? X509KeyUsageFlags.KeyEncipherment : X509KeyUsageFlags.KeyAgreement;
        request.CertificateExtensions.Add(new X509KeyUsageExtension(usage, true));
        using var made = request.Create(
            new X500DistinguishedName("CN=Trial CA"), X509SignatureGenerator.CreateForECDsa(authority),
            DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(30), Encoding.ASCII.GetBytes(name));
        return made.RawData;
    }

    private async Task SealAsync(string to, string cipher, params string[] more)
    {
        await File.WriteAllTextAsync(_directory["inner"], "Content-Type: text/plain\r\n\r\nFor the card's key.\r\n", Cancel);
        (await Tool.RunAsync("openssl",
            ["cms", "-encrypt", "-binary", "-crlfeol", cipher, "-from", "alice@example.org", "-to", "bob@example.org", "-subject", "s",
                "-in", _directory["inner"], "-out", Mail, "-recip", _directory[to + ".pem"], .. more])).Checked();
    }

    private async Task OpensAsync()
    {
        var result = await CardmailAsync();
        Assert.True(result.ExitCode is 0 or 1, result.All);
        Assert.Contains("For the card's key.", await File.ReadAllTextAsync(Clear, Cancel), StringComparison.Ordinal);
        File.Delete(Clear);
    }

    private Task<ToolResult> CardmailAsync() => Tool.RunAsync("dotnet",
        [typeof(MailOpening).Assembly.Location, "open", Mail, "--out", Clear, "--pin-stdin", "--json", "--virtual-card", Card],
        Encoding.ASCII.GetBytes(VirtualOpenPgpCard.DefaultUserPin + "\n"));
}
