using System.Text;
using MimeKit.Cryptography;

namespace GatewaySecure.MailProtection.Opening;

/// <summary>What the gateway wrote about a mail from outside (RFC 8601), in words for its reader.</summary>
internal static class ReceivedVerdict
{
    public const string FieldName = "Authentication-Results";

    /// <param name="value">Of a field that is known to be the gateway's: it stands where only the gateway could put it.</param>
    /// <returns>About the signature and about the domain; of the rest, nothing.</returns>
    public static IEnumerable<Verdict> Read(string value)
    {
        if (!AuthenticationResults.TryParse(Encoding.UTF8.GetBytes(value), out var field))
            yield break;
        foreach (var result in field.Results)
        {
            switch (result.Method, result.Result)
            {
                case ("smime", not "none"):
                    yield return new(LevelOf(result.Result), $"The gateway checked its signature: {result.Reason}");
                    break;
                case ("dmarc", "pass"):
                    yield return new(VerdictLevel.Good, "The domain that it says it is from stands behind it (DMARC).");
                    break;
                case ("dmarc", "fail"):
                    yield return new(VerdictLevel.Warning, "The domain that it says it is from does not stand behind it (DMARC).");
                    break;
            }
        }
    }

    private static VerdictLevel LevelOf(string result) => result switch
    {
        "pass" => VerdictLevel.Good,
        "fail" => VerdictLevel.Bad,
        _ => VerdictLevel.Warning,
    };
}
