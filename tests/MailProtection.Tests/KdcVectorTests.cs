using System.Security.Cryptography;
using System.Text.Json;
using GatewaySecure.KdcCore;
using GatewaySecure.TestKit;
using MimeKit;

namespace GatewaySecure.MailProtection.Tests;

/// <summary>
/// tests/vectors/kdc: mails with one fault each, made by a second implementation that was written from docs/formats/kdc-mail.md alone.
/// Our reader, that implementation and openssl must agree about every one.
/// </summary>
public sealed class KdcVectorTests
{
    private static readonly string Folder = Path.Combine(Repository.Root, "tests", "vectors", "kdc");
    private static readonly string Program = Path.Combine(Repository.Root, "tests", "interop", "kdc_mail.py");

    public static TheoryData<string> All => [.. Names(_ => true)];

    public static TheoryData<string> Good => [.. Names(v => v.Expected == "opened")];

    [Theory]
    [MemberData(nameof(All))]
    public async Task Our_reader_gives_the_expected_verdict_and_nothing_else(string name)
    {
        var vector = Read(name);
        using var agreement = vector.PrivateKey is null ? null : new SoftwareAgreement(vector.PrivateKey);
        using var realm = vector.RealmKey is null ? null : SoftwareAgreement.PublicKey(vector.RealmKey);
        HolderKey key = agreement is null
            ? new SlotHolderKey(new SoftwareKey(Convert.FromHexString(vector.MasterKey!)))
            : new AgreementHolderKey(agreement, realm!);
        Assert.True(PrincipalId.TryParse(vector.Principal, out var principal));
        var keys = new OpeningKeys { Card = new CardIdentity(Realm.Parse(vector.Realm), principal, vector.Kvno, key) };
        var (outcome, output) = await Sealed.OpenAsync(Mail(name), keys, new DateTimeOffset(2026, 3, 1, 12, 5, 0, TimeSpan.Zero));
        if (vector.Expected != "opened")
        {
            Assert.Empty(output);
            var refused = Assert.IsType<OpenOutcome.Refused>(outcome);
            Assert.Equal(vector.Expected, Word(refused.Failure));
            // What the realm did not sign never reaches the card.
            Assert.Equal(name is "ecdh-foreign-text" or "ecdh-for-another-card" ? 1 : 0, agreement?.Operations ?? 0);
            return;
        }
        var mail = Assert.IsType<OpenOutcome.Opened>(outcome).Mail;
        Assert.Equal(vector.Sha256, Convert.ToHexStringLower(SHA256.HashData(output)));
        // From outside: the gateway speaks, and proves nobody's name.
        Assert.Equal(name == "evidence-outside" ? null : GatewaySecure.Addresses.MailAddress.Parse(vector.Sender!), mail.Sender);
        Assert.Equal(vector.IssuedAt, mail.IssuedAt);
        Assert.Equal(vector.TicketId, Convert.ToHexStringLower(mail.TicketId!.Value.ToOctets()));
    }

    [Theory]
    [MemberData(nameof(All))]
    public async Task The_second_implementation_gives_the_same_verdict(string name)
    {
        var vector = Read(name);
        var result = await Tool.RunAsync("/usr/bin/python3", [
            Program, "open", Path.Combine(Folder, name + ".eml"), .. CardOf(vector), "--principal", vector.Principal,
            "--realm", vector.Realm, "--kvno", $"{vector.Kvno}"]);
        if (vector.Expected == "opened")
        {
            Assert.Equal(vector.Sha256, Convert.ToHexStringLower(SHA256.HashData(result.Checked().Output)));
            return;
        }
        Assert.Equal(1, result.ExitCode);
        Assert.StartsWith("refused: ", result.Error, StringComparison.Ordinal);
        Assert.Empty(result.Output);
    }

    [Theory]
    [MemberData(nameof(Good))]
    public async Task Openssl_opens_the_container_with_the_tickets_key(string name)
    {
        var vector = Read(name);
        using var folder = new TempDirectory();
        await File.WriteAllBytesAsync(folder["container"], Container(Mail(name)), TestContext.Current.CancellationToken);
        var opened = await Tool.RunAsync("openssl", [
            "cms", "-decrypt", "-inform", "DER", "-in", folder["container"], "-secretkey", vector.Kek!, "-secretkeyid", vector.TicketId!]);
        Assert.Equal(vector.Sha256, Convert.ToHexStringLower(SHA256.HashData(opened.Checked().Output)));
    }

    [Fact]
    public async Task What_we_seal_opens_in_the_second_implementation()
    {
        var kdc = new FakeKdc();
        var key = new SoftwareKey();
        kdc["bob@example.org"] = new Principal(PrincipalId.New(), 2, key);
        var order = new KdcOrder(
            MemoryMail.Of("From: alice@example.org\nTo: bob@example.org\nSubject: Both ways\n\nHello.\n"),
            Sealed.Address("alice@example.org"),
            [Sealed.Address("bob@example.org"), Sealed.Address("carol@example.org")],
            Evidence.Auth,
            kdc,
            KeptState: null);
        var octets = await Sealed.WriteAsync(await new MailProtector(TimeProvider.System).SealKdcAsync(order, TestContext.Current.CancellationToken));
        using var folder = new TempDirectory();
        await File.WriteAllBytesAsync(folder["mail.eml"], octets, TestContext.Current.CancellationToken);
        var opened = await Tool.RunAsync("/usr/bin/python3", [
            Program, "open", folder["mail.eml"], "--master-key", key.Hex, "--principal", $"{kdc["bob@example.org"].Id}",
            "--realm", "example.org", "--kvno", "2"]);
        Assert.Equal(kdc.Orders[0].Commitment.ToArray(), SHA256.HashData(opened.Checked().Output));
        Assert.Contains("Subject: Both ways", opened.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void There_are_vectors_of_every_class() =>
        Assert.Equal(
            ["damaged", "no-key", "not-protected", "old-card", "opened", "wrong-sender"],
            Names(_ => true).Select(n => Read(n).Expected).Distinct().Order());

    private static string[] CardOf(Vector vector) =>
        vector.PrivateKey is null ? ["--master-key", vector.MasterKey!] : ["--private-key", vector.PrivateKey, "--realm-key", vector.RealmKey!];

    private static IEnumerable<string> Names(Func<Vector, bool> wanted) =>
        Directory.EnumerateFiles(Folder, "*.json").Select(p => Path.GetFileNameWithoutExtension(p)!).Order().Where(n => wanted(Read(n)));

    private static Vector Read(string name) =>
        JsonSerializer.Deserialize<Vector>(File.ReadAllText(Path.Combine(Folder, name + ".json")), JsonSerializerOptions.Web)!;

    private static byte[] Mail(string name) => File.ReadAllBytes(Path.Combine(Folder, name + ".eml"));

    private static string Word(OpenFailure failure) => JsonNamingPolicy.KebabCaseLower.ConvertName(failure.ToString());

    /// <summary>The first attachment, wherever it is.</summary>
    private static byte[] Container(byte[] mail)
    {
        using var message = MimeMessage.Load(new MemoryStream(mail));
        var iterator = new MimeIterator(message);
        while (iterator.MoveNext())
        {
            if (iterator.Current is not MimePart { ContentDisposition.Disposition: "attachment" } part)
                continue;
            using var content = new MemoryStream();
            part.Content!.DecodeTo(content);
            return content.ToArray();
        }
        throw new InvalidDataException("The mail has no attachment.");
    }

    private sealed record Vector(
        string Expected,
        string Realm,
        int Kvno,
        string? MasterKey,
        string? PrivateKey,
        string? RealmKey,
        string Principal,
        string? Sha256,
        string? TicketId,
        string? Kek,
        string? Sender,
        DateTimeOffset? IssuedAt);
}
