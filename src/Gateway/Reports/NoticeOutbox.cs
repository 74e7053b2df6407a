using System.Globalization;
using System.Text;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Spool;

namespace GatewaySecure.Gateway.Reports;

/// <summary>Mail of the gateway to the people who run it: plain text, durable in the spool when it returns.</summary>
internal sealed class NoticeOutbox(MailSpool spool, Action<SpooledMail> queue, DomainName hostName, MailAddress recipient, TimeProvider time)
{
    public const string RuleName = "(notice)";

    /// <param name="subject">In ASCII.</param>
    /// <exception cref="IOException">The spool can't take it.</exception>
    public async Task SendAsync(string subject, IEnumerable<string> lines, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var text = new StringBuilder();
        // RFC 3834 §5: nobody's machine answers it.
        text.Append(CultureInfo.InvariantCulture, $"""
            From: GatewaySecure <postmaster@{hostName.Ascii}>
            To: {recipient}
            Subject: {subject}
            Date: {now.UtcDateTime:ddd, dd MMM yyyy HH:mm:ss} +0000
            Message-ID: <{Guid.NewGuid():N}@{hostName.Ascii}>
            Auto-Submitted: auto-generated
            MIME-Version: 1.0
            Content-Type: text/plain; charset=utf-8
            Content-Transfer-Encoding: 8bit


            """);
        foreach (var line in lines)
            text.Append(Printable.Show(line)).Append('\n');
        var octets = Encoding.UTF8.GetBytes(text.ToString().ReplaceLineEndings("\r\n"));
        await using var writer = spool.Begin();
        await writer.WriteAsync(octets, cancellationToken);
        queue(await writer.CommitAsync(
            OwnMail.Accepted(null, recipient, RuleName, "a notice of this gateway", now, Ascii.IsValid(octets)), cancellationToken));
    }
}
