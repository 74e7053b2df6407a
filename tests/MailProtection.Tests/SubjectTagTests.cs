using System.Text;
using GatewaySecure.MailProtection.Mime;
using MimeKit;

namespace GatewaySecure.MailProtection.Tests;

/// <summary>Only the gateway's own words about a mail stand in its subject.</summary>
public sealed class SubjectTagTests
{
    [Theory]
    [InlineData("Subject: The offer\r\n", "[signed] The offer")]
    [InlineData("Subject:\r\n The offer\r\n", "[signed] The offer")]
    [InlineData("Subject:\r\n", "[signed]")]
    [InlineData("", "[signed]")]
    [InlineData("Subject: =?utf-8?q?=E5=A0=B1=E5=83=B9?=\r\n", "[signed] 報價")]
    [InlineData("Subject: [Signed] [ opened ] The offer\r\n", "[signed] The offer")]
    [InlineData("Subject: Re: =?utf-8?b?W3NpZ25lZF0=?= The offer\r\n", "[signed] Re:  The offer")]
    [InlineData("Subject: =?utf-8?q?[sig?=\r\n =?utf-8?q?ned]_=E5=A0=B1?=\r\n", "[signed] 報")]
    public async Task What_was_found_stands_first_and_what_came_along_is_taken_away(string field, string expected)
    {
        var (subject, mail) = await PutAsync(field, SubjectTag.WasSigned);
        Assert.Equal(expected, subject);
        Assert.StartsWith("From: a@example.org\r\n", mail.Replace("Subject: [signed]\r\n", field.Length == 0 ? "" : "Subject: [signed]\r\n", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.EndsWith("To: b@example.org\r\n\r\nSubject: [signed] body\r\n", mail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Subject: The [signed] offer\r\n", "The  offer")]
    [InlineData("Subject: The offer\r\n", "The offer")]
    public async Task Where_nothing_was_found_only_what_came_along_goes(string field, string expected) =>
        Assert.Equal(expected, (await PutAsync(field)).Subject);

    [Fact]
    public async Task Of_two_subjects_neither_brings_a_word_along()
    {
        var (_, mail) = await PutAsync("Subject: one\r\nSubject: [opened] two\r\n", SubjectTag.WasSigned);
        Assert.Equal(1, mail.Split("[signed]\r\n one").Length - 1);
        Assert.DoesNotContain("[opened]", mail, StringComparison.Ordinal);
    }

    private static async Task<(string Subject, string Mail)> PutAsync(string field, params string[] tags)
    {
        var content = new MemoryMail(Encoding.ASCII.GetBytes($"From: a@example.org\r\n{field}To: b@example.org\r\n\r\nSubject: [signed] body\r\n"));
        var put = await SubjectTag.PutAsync(content, tags, TestContext.Current.CancellationToken);
        using var output = new MemoryStream();
        await using (var stream = put.OpenRead())
            await stream.CopyToAsync(output, TestContext.Current.CancellationToken);
        Assert.Equal(put.Length, output.Length);
        output.Position = 0;
        var mail = Encoding.ASCII.GetString(output.ToArray());
        return ((await MimeMessage.LoadAsync(output, TestContext.Current.CancellationToken)).Subject ?? "", mail);
    }
}
