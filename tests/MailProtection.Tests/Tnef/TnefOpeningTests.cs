using System.Text;
using GatewaySecure.MailProtection.Tnef;
using GatewaySecure.TestKit;
using MimeKit;

namespace GatewaySecure.MailProtection.Tests.Tnef;

/// <summary>winmail.dat becomes MIME, everything around it stays octet by octet, and what is damaged is a plain answer.</summary>
public sealed class TnefOpeningTests
{
    private const string Before = "Received: from x by y\r\nFrom: alice@example.org\r\nX-Odd:  folded\r\n\tfield \r\nSubject: offer\r\n";

    private static readonly byte[] Pdf = [.. "%PDF-1.4 "u8, 0, 255, 13, 10, 128];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Body_attachments_and_a_message_within_come_out_and_the_rest_stays()
    {
        var inner = new TnefWriter().Message(TnefWriter.Subject("inner subject"), TnefWriter.Text("inner text")).Attachment("inner.txt", "deep"u8.ToArray());
        var tnef = new TnefWriter()
            .Message(TnefWriter.Html("<p>the <b>body</b></p>"))
            .Attachment("Größe.pdf", Pdf)
            .Embedded("inner", inner);
        var (mail, after) = Mixed(tnef.ToArray());
        var opened = Assert.IsType<TnefOutcome.Opened>(await TnefOpening.OpenAsync(mail, Cancel));
        Assert.Equal("TNEF was opened to MIME, 2 attachments.", opened.Summary);
        var octets = await ReadAsync(opened.Content);
        Assert.Equal(opened.Content.Length, octets.Length);
        var text = Encoding.Latin1.GetString(octets);
        Assert.StartsWith(Before + "Content-Type: multipart/mixed; boundary=outer\r\n\r\npreamble\r\n--outer\r\n", text, StringComparison.Ordinal);
        Assert.EndsWith(after, text, StringComparison.Ordinal);
        Assert.DoesNotContain("winmail", text, StringComparison.Ordinal);

        var message = MimeMessage.Load(new MemoryStream(octets), Cancel);
        Assert.Equal("the plain text", message.TextBody!.Trim());
        Assert.Equal("<p>the <b>body</b></p>", message.HtmlBody!.Trim());
        var attachments = message.Attachments.ToList();
        Assert.Equal("Größe.pdf", attachments[0].ContentDisposition!.FileName);
        using var content = new MemoryStream();
        ((MimePart)attachments[0]).Content!.DecodeTo(content, Cancel);
        Assert.Equal(Pdf, content.ToArray());
        var nested = Assert.IsType<MessagePart>(attachments[1]).Message!;
        Assert.Equal("inner subject", nested.Subject);
        Assert.Equal("inner text", nested.TextBody!.TrimEnd());
        Assert.Equal("inner.txt", Assert.Single(nested.Attachments).ContentDisposition!.FileName);
        Assert.Equal("note.txt", attachments[2].ContentDisposition!.FileName);
    }

    [Fact]
    public async Task Every_attempt_gives_the_same_octets()
    {
        var inner = new TnefWriter().Message(TnefWriter.Subject("s"), TnefWriter.Text("t")).Attachment("a", [1]);
        var (mail, _) = Mixed(new TnefWriter().Message(TnefWriter.Text("x"), TnefWriter.Html("<p>y</p>")).Embedded("e", inner).ToArray());
        var first = Assert.IsType<TnefOutcome.Opened>(await TnefOpening.OpenAsync(mail, Cancel));
        var second = Assert.IsType<TnefOutcome.Opened>(await TnefOpening.OpenAsync(mail, Cancel));
        Assert.Equal(await ReadAsync(first.Content), await ReadAsync(second.Content));
    }

    [Fact]
    public async Task A_mail_that_is_nothing_but_tnef_keeps_its_other_fields()
    {
        var tnef = new TnefWriter().Message(TnefWriter.Rtf("{\\rtf1 rich text}")).Attachment("a.bin", [1, 2, 3]);
        var mail = MemoryMail.Of(Before + "MIME-Version: 1.0\r\nContent-Type: application/ms-tnef\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            + Convert.ToBase64String(tnef.ToArray(), Base64FormattingOptions.InsertLineBreaks) + "\r\n");
        var opened = Assert.IsType<TnefOutcome.Opened>(await TnefOpening.OpenAsync(mail, Cancel));
        var octets = await ReadAsync(opened.Content);
        Assert.StartsWith(Before + "MIME-Version: 1.0\r\nContent-Type: multipart/mixed;", Encoding.Latin1.GetString(octets), StringComparison.Ordinal);
        var message = MimeMessage.Load(new MemoryStream(octets), Cancel);
        Assert.Contains("rich text", message.BodyParts.OfType<TextPart>().Single(p => p.ContentType.IsMimeType("text", "rtf")).Text, StringComparison.Ordinal);
        Assert.Equal("a.bin", Assert.Single(message.Attachments).ContentDisposition!.FileName);
    }

    [Fact]
    public async Task What_the_reference_program_takes_out_is_what_we_take_out()
    {
        var tnef = new TnefWriter().Message(TnefWriter.Html("<p>b</p>")).Attachment("report.pdf", Pdf).Attachment("second.bin", [0, 1, 2, 255]).ToArray();
        using var folder = new TempDirectory();
        await File.WriteAllBytesAsync(folder["winmail.dat"], tnef, Cancel);
        Directory.CreateDirectory(folder["out"]);
        (await Tool.RunAsync("tnef", ["--directory", folder["out"], folder["winmail.dat"]])).Checked();
        var (mail, _) = Mixed(tnef);
        var opened = Assert.IsType<TnefOutcome.Opened>(await TnefOpening.OpenAsync(mail, Cancel));
        var message = MimeMessage.Load(new MemoryStream(await ReadAsync(opened.Content)), Cancel);
        var ours = message.Attachments.OfType<MimePart>().Where(p => p.FileName != "note.txt").ToDictionary(p => p.FileName!, p =>
        {
            using var content = new MemoryStream();
            p.Content!.DecodeTo(content, Cancel);
            return content.ToArray();
        });
        var theirs = Directory.GetFiles(folder["out"]).ToDictionary(f => Path.GetFileName(f)!, File.ReadAllBytes);
        Assert.Equal(theirs.Keys.Order(), ours.Keys.Order());
        Assert.All(theirs, f => Assert.Equal(f.Value, ours[f.Key]));
    }

    [Theory]
    [InlineData("Content-Type: multipart/signed; micalg=sha-256; protocol=\"application/pkcs7-signature\"; boundary=outer")]
    [InlineData("Content-Type: multipart/encrypted; boundary=outer")]
    [InlineData("Content-Type: text/plain")]
    public async Task Within_a_signature_or_an_encryption_nothing_is_touched(string type)
    {
        var (mail, _) = Mixed(new TnefWriter().Message(TnefWriter.Text("x")).ToArray(), type);
        Assert.IsType<TnefOutcome.None>(await TnefOpening.OpenAsync(mail, Cancel));
    }

    [Fact]
    public async Task In_an_attached_message_nothing_is_touched()
    {
        var (inner, _) = Mixed(new TnefWriter().Message(TnefWriter.Text("x")).ToArray());
        var attached = Encoding.Latin1.GetString(await ReadAsync(inner));
        var mail = MemoryMail.Of($"Content-Type: multipart/mixed; boundary=out\n\n--out\nContent-Type: message/rfc822\n\n{attached}\n--out--\n");
        Assert.IsType<TnefOutcome.None>(await TnefOpening.OpenAsync(mail, Cancel));
    }

    public static TheoryData<string, byte[], string> Bombs
    {
        get
        {
            var many = new TnefWriter();
            for (var i = 0; i < 300; i++)
                many.Attachment("a", [1]);
            var deep = new TnefWriter().Message(TnefWriter.Text("x"));
            for (var i = 0; i < 6; i++)
                deep = new TnefWriter().Embedded("m", deep);
            var huge = TnefWriter.Properties((0x10130102, [1, 2, 3, 4]));
            // The length of the value: two gigabytes that are not there.
            huge[15] = 0x7F;
            return new()
            {
                { "cut off", new TnefWriter().Attachment("a", new byte[100]).ToArray()[..^50], "longer than what is there" },
                { "no TNEF", [1, 2, 3, 4, 5, 6, 7, 8, 9], "does not begin as TNEF does" },
                { "empty", [], "does not begin as TNEF does" },
                { "an attribute's length", new TnefWriter().Attribute(1, 0x00069003, [1, 2, 3, 4], 0xFFFFFFFF).ToArray(), "longer than what is there" },
                { "a property's length", new TnefWriter().Attribute(1, 0x00069003, huge).ToArray(), "a property is longer" },
                { "the number of properties", new TnefWriter().Attribute(1, 0x00069003, [255, 255, 255, 255]).ToArray(), "a property is longer" },
                { "the number of values", new TnefWriter().Attribute(1, 0x00069003, [1, 0, 0, 0, 3, 0x10, 1, 0x66, 255, 255, 255, 255]).ToArray(), "a property is longer" },
                { "many attachments", many.ToArray(), "more than 250 attachments" },
                { "deep", deep.ToArray(), "more than 3 deep" },
                { "large text", new TnefWriter().Message((0x10090102, new byte[3 << 20])).ToArray(), "too large to be unpacked" },
                { "a meeting", new TnefWriter("IPM.Schedule.Meeting.Request").Message(TnefWriter.Text("x")).ToArray(), "which MIME can't carry" },
            };
        }
    }

    [Theory]
    [MemberData(nameof(Bombs))]
    public async Task What_is_damaged_or_too_much_is_refused_in_plain_words(string name, byte[] tnef, string reason)
    {
        Assert.NotEmpty(name);
        var (mail, _) = Mixed(tnef);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var refused = Assert.IsType<TnefOutcome.Refused>(await TnefOpening.OpenAsync(mail, Cancel));
        Assert.Contains(reason, refused.Reason, StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 64L << 20);
    }

    [Fact]
    public async Task A_part_that_is_too_large_is_not_read()
    {
        var header = "Content-Type: application/ms-tnef\r\n";
        Assert.Contains("larger than 48 MB", Assert.IsType<TnefOutcome.Refused>(await TnefOpening.OpenAsync(new LargeMail(header, 60L << 20), Cancel)).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Whatever_the_octets_it_is_an_answer_and_no_exception()
    {
        var random = new Random(11);
        var real = new TnefWriter().Message(TnefWriter.Text("x"), TnefWriter.Html("<p>y</p>"), TnefWriter.Rtf("{\\rtf1 z}")).Attachment("a.bin", Pdf)
            .Embedded("e", new TnefWriter().Message(TnefWriter.Subject("s"))).ToArray();
        for (var round = 0; round < 1000; round++)
        {
            var damaged = (byte[])real.Clone();
            for (var i = random.Next(1, 6); i > 0; i--)
                damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            var (mail, _) = Mixed(damaged[..random.Next(damaged.Length / 2, damaged.Length + 1)]);
            if (await TnefOpening.OpenAsync(mail, Cancel) is TnefOutcome.Opened opened)
                Assert.Equal(opened.Content.Length, (await ReadAsync(opened.Content)).Length);
        }
    }

    /// <summary>A text, then TNEF, then a file; and what stands behind TNEF.</summary>
    private static (MemoryMail Mail, string After) Mixed(byte[] tnef, string type = "Content-Type: multipart/mixed; boundary=outer")
    {
        const string after = "\r\n--outer\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=note.txt\r\n\r\n a note \r\n\r\n--outer--\r\nepilogue \r\n";
        return (MemoryMail.Of(Before + type + "\r\n\r\npreamble\r\n--outer\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nthe plain text\r\n--outer\r\n"
            + "Content-Type: application/ms-tnef; name=\"winmail.dat\"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"winmail.dat\"\r\n\r\n"
            + Convert.ToBase64String(tnef, Base64FormattingOptions.InsertLineBreaks) + after), after);
    }

    private static async Task<byte[]> ReadAsync(IMailContent content)
    {
        await using var stream = content.OpenRead();
        using var octets = new MemoryStream();
        await stream.CopyToAsync(octets, 777, Cancel);
        return octets.ToArray();
    }
}
