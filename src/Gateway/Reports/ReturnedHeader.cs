using System.Text;
using GatewaySecure.Gateway.Receiving;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Policies;

namespace GatewaySecure.Gateway.Reports;

/// <summary>What a report gives back of the mail it is about: its header fields, and of a mail that was to be protected only those that show anyway.</summary>
internal static class ReturnedHeader
{
    private const int MaximumOctets = 64 * 1024;

    private static readonly HashSet<string> ShownOfProtectedMail =
        new(["From", "To", "Cc", "Date", "Message-ID", "In-Reply-To", "References", "Received"], StringComparer.OrdinalIgnoreCase);

    public static void Write(StringBuilder text, SpooledMail about)
    {
        var isProtected = about.Mail.Decisions.Concat(about.Decisions).Any(d => d.Methods is not [ProtectionMethod.Normal]);
        var capture = new HeaderCapture();
        using var stream = about.Content.OpenRead();
        var buffer = new byte[16 * 1024];
        int count;
        while (!capture.IsComplete && capture.Octets.Length < MaximumOctets && (count = stream.Read(buffer)) > 0)
            capture.Add(buffer.AsSpan(0, count));
        var header = Encoding.UTF8.GetString(capture.Octets[..Math.Min(capture.Octets.Length, MaximumOctets)]);
        var shown = true;
        foreach (var line in header.Split("\r\n").TakeWhile(l => l.Length > 0))
        {
            if (line[0] is not (' ' or '\t'))
            {
                var name = line.Split(':')[0].TrimEnd();
                shown = line.Contains(':', StringComparison.Ordinal) && (!isProtected || ShownOfProtectedMail.Contains(name));
            }
            if (shown)
                text.Append(line.Replace('\r', ' ').Replace('\n', ' ')).Append("\r\n");
        }
        text.Append("\r\n");
    }
}
