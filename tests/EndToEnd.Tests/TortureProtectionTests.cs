using System.Text;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>What is sealed is what came: opened by OpenSSL, and by the second implementation of KDC mail, it is the same octets.</summary>
[Collection(TortureGroup.Name)]
public sealed class TortureProtectionTests(TortureFixture fixture)
{
    private const string Alice = "alice@example.org";

    private static readonly Way Plainly = new(IsData: false, 0);

    public static TheoryData<string> Accepted => TortureTests.Accepted;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(Accepted))]
    public async Task S_MIME_mail_opened_by_openssl_holds_the_same_octets(string name)
    {
        var mail = TortureCorpus.Get(name);
        var expected = Entity(mail.Content);
        var opened = await fixture.Partner.DecryptAsync(await SealedAsync(mail));
        var inner = await File.ReadAllBytesAsync(opened, Cancel);
        if (name.StartsWith("smime-signed", StringComparison.Ordinal) || name == "pgp-signed")
        {
            await AssertStillSignedAsync(name, opened, inner);
            if (name != "smime-signed-in-attached-mail")
            {
                Assert.True(expected.AsSpan().SequenceEqual(inner));
                return;
            }
        }
        await AssertSignedByGatewayAsync(inner, expected, opened);
    }

    /// <summary>All in one test, since each run of the second implementation costs a start of Python.</summary>
    [Fact]
    public async Task KDC_mail_opened_by_Python_holds_the_same_octets()
    {
        // The KDC knows alice only: what came from her last is what was sent last.
        var sealedMails = new List<(TortureMail Mail, string File)>();
        using (var talker = await SmtpTalker.GreetAsync(fixture.Gateway.RelayPort))
        {
            foreach (var mail in TortureCorpus.Mails.Where(m => m.Refusal is null))
            {
                // Without exactly one From there is no KDC mail; the peculiarity stays.
                var written = mail with { Content = [.. "From: alice@example.org\r\n"u8, .. WithoutFrom(mail.Content)] };
                Assert.StartsWith(
                    "250", await TortureFixture.SendAsync(talker, Alice, [TortureFixture.Inside], written, Plainly), StringComparison.Ordinal);
                var file = fixture.Gateway[$"kdc-{sealedMails.Count}.eml"];
                sealedMails.Add((written, file));
                await File.WriteAllBytesAsync(file, await fixture.ArrivedAsync(fixture.InsideSink, Alice, sealedMails.Count), Cancel);
            }
        }
        var (key, identity) = fixture.Bob.ReadTrialCard();
        (await Tool.RunAsync("python3",
        [
            Programs.InTree("tests", "interop", "kdc_mail.py"), "open", .. sealedMails.Select(s => s.File), "--realm", "example.org",
            "--kvno", $"{identity.Kvno}", "--principal", Convert.ToHexString(identity.Principal.ToOctets()), "--master-key", Convert.ToHexString(key),
        ])).Checked();
        foreach (var (mail, file) in sealedMails)
        {
            var (_, body) = Split(mail.Content);
            var entity = await File.ReadAllBytesAsync(file + ".opened", Cancel);
            Assert.True(entity.AsSpan().EndsWith(body), $"{mail.Name}: the body is not the same.");
            Assert.True(entity.AsSpan(0, entity.Length - body.Length).EndsWith("\r\n\r\n"u8), $"{mail.Name}: the body is longer.");
            // What its sender signed keeps its own description, octet by octet.
            if (mail.Name.StartsWith("smime-signed", StringComparison.Ordinal) && mail.Name != "smime-signed-in-attached-mail")
                Assert.True(entity.AsSpan().IndexOf(Entity(mail.Content).AsSpan(0, 40)) > 0, mail.Name);
        }
    }

    private async Task<string> SealedAsync(TortureMail mail)
    {
        var sender = TortureFixture.NewSender();
        using (var talker = await SmtpTalker.GreetAsync(fixture.Gateway.RelayPort))
        {
            Assert.StartsWith(
                "250", await TortureFixture.SendAsync(talker, sender, [TortureFixture.PartnerAddress], mail, Plainly), StringComparison.Ordinal);
        }
        var file = fixture.Gateway[sender + ".eml"];
        await File.WriteAllBytesAsync(file, await fixture.ArrivedAsync(fixture.ChunkSink, sender), Cancel);
        return file;
    }

    /// <summary>multipart/signed of the gateway: the first part is <paramref name="expected"/>, and the signature is over exactly that.</summary>
    private async Task AssertSignedByGatewayAsync(byte[] inner, byte[] expected, string file)
    {
        var text = Encoding.Latin1.GetString(inner);
        var boundary = text.Split("boundary=\"", 2)[1].Split('"')[0];
        var start = text.IndexOf($"\r\n--{boundary}\r\n", StringComparison.Ordinal) + boundary.Length + 6;
        var end = text.IndexOf($"\r\n--{boundary}\r\n", start, StringComparison.Ordinal);
        Assert.True(expected.AsSpan().SequenceEqual(inner.AsSpan(start, end - start)), "What was signed is not what came.");
        var signature = text[(text.IndexOf("\r\n\r\n", end, StringComparison.Ordinal) + 4)..text.LastIndexOf($"--{boundary}--", StringComparison.Ordinal)];
        await File.WriteAllBytesAsync(file + ".p7s", Convert.FromBase64String(signature), Cancel);
        await File.WriteAllBytesAsync(file + ".content", expected, Cancel);
        (await Tool.RunAsync("openssl",
        [
            "cms", "-verify", "-binary", "-inform", "DER", "-in", file + ".p7s", "-content", file + ".content",
            "-CAfile", fixture.Gateway.OrganisationCertificate, "-partial_chain", "-purpose", "any", "-out", "/dev/null",
        ])).Checked();
    }

    /// <summary>The signature that was there before the gateway.</summary>
    private static async Task AssertStillSignedAsync(string name, string opened, byte[] inner)
    {
        if (name is "pgp-signed" or "smime-signed-broken")
            return;
        if (name == "smime-signed-in-attached-mail")
        {
            opened += ".attached";
            var text = Encoding.Latin1.GetString(inner);
            var at = text.IndexOf("Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\r\n\tmicalg", StringComparison.Ordinal);
            await File.WriteAllTextAsync(opened, text[at..text.IndexOf("\r\n--fwd--", StringComparison.Ordinal)], Encoding.Latin1, Cancel);
        }
        (await Tool.RunAsync("openssl",
            ["cms", "-verify", "-in", opened, "-CAfile", TortureCorpus.PathOf("signer.pem"), "-purpose", "any", "-out", "/dev/null"])).Checked();
    }

    /// <summary>What S/MIME protects: the fields that describe the body, an empty line, the body.</summary>
    private static byte[] Entity(byte[] mail)
    {
        var (fields, body) = Split(mail);
        var described = fields.Where(f => Latin1(f).StartsWith("Content-", StringComparison.OrdinalIgnoreCase));
        return [.. described.SelectMany(f => f), .. "\r\n"u8, .. body];
    }

    private static byte[] WithoutFrom(byte[] mail)
    {
        var (fields, body) = Split(mail);
        // As long as its From fields are among those that are fields.
        var others = fields.Where(f => !Latin1(f).StartsWith("From:", StringComparison.OrdinalIgnoreCase)).SelectMany(f => f).ToArray();
        return [.. others, .. mail.AsSpan(fields.Sum(f => f.Length))];
    }

    /// <summary>Header fields with their folding, and what follows: behind the empty line, or from the first line that is no field.</summary>
    private static (List<byte[]> Fields, byte[] Body) Split(byte[] mail)
    {
        var fields = new List<byte[]>();
        var at = 0;
        while (at < mail.Length)
        {
            if (mail.AsSpan(at).StartsWith("\r\n"u8))
                return (fields, mail[(at + 2)..]);
            var end = at;
            do
            {
                var line = mail.AsSpan(end).IndexOf((byte)'\n');
                end = line < 0 ? mail.Length : end + line + 1;
            }
            while (end < mail.Length && mail[end] is (byte)' ' or (byte)'\t');
            var name = Latin1(mail[at..end]).Split(':')[0].TrimEnd(' ', '\t');
            if (name.Length == 0 || name.Length == end - at || name.Any(c => c is < '!' or > '~'))
                break;
            fields.Add(mail[at..end]);
            at = end;
        }
        return (fields, mail[at..]);
    }

    private static string Latin1(byte[] octets) => Encoding.Latin1.GetString(octets);
}
