using GatewaySecure.Dns;

namespace GatewaySecure.MailAuthentication.Dmarc;

/// <summary>What a domain publishes at <c>_dmarc</c> (RFC 9989 §4.7), as far as it bears on one mail.</summary>
/// <param name="Owner">The domain below which it stands.</param>
/// <param name="Policy">p=.</param>
/// <param name="SubdomainPolicy">sp=; null: as p=.</param>
/// <param name="AbsentPolicy">np=, for domains that do not exist; null: as sp=.</param>
/// <param name="IsStrictDkim">adkim=s.</param>
/// <param name="IsStrictSpf">aspf=s.</param>
/// <param name="IsTest">t=y, or pct=0 of RFC 7489: the policy counts one step less (RFC 9989 §4.7, A.6).</param>
/// <param name="IsSuffix">psd=: y true, n false, else null.</param>
internal sealed record DmarcRecord(
    string Owner,
    DmarcPolicy Policy,
    DmarcPolicy? SubdomainPolicy,
    DmarcPolicy? AbsentPolicy,
    bool IsStrictDkim,
    bool IsStrictSpf,
    bool IsTest,
    bool? IsSuffix)
{
    /// <summary>A record that is not there is null without a failure.</summary>
    public static async ValueTask<(DmarcRecord? Record, string? Failure)> FindAsync(string domain, IDnsResolver dns, CancellationToken cancellationToken)
    {
        var answer = await dns.TxtAsync($"_dmarc.{domain}", cancellationToken);
        if (answer is DnsFailed<string> failed)
            return (null, failed.Reason);
        var records = answer.Records.Select(r => Parse(domain, r)).OfType<DmarcRecord>().ToList();
        // RFC 9989 §4.10: several records are as good as none.
        return (records is [var only] ? only : null, null);
    }

    /// <summary>Null for what is no DMARC record.</summary>
    public static DmarcRecord? Parse(string owner, string text)
    {
        if (!text.TrimStart().StartsWith('v') || !TagList.TryParse(text, out var tags) || tags.First != "v" || tags["v"] != "DMARC1")
            return null;
        // RFC 9989 §4.7: without a valid p= it only asks for reports.
        var policy = PolicyOf(tags["p"]) ?? DmarcPolicy.None;
        return new DmarcRecord(
            owner,
            policy,
            PolicyOf(tags["sp"]),
            PolicyOf(tags["np"]),
            tags["adkim"]?.ToLowerInvariant() == "s",
            tags["aspf"]?.ToLowerInvariant() == "s",
            tags["t"]?.ToLowerInvariant() == "y" || tags["pct"] == "0",
            tags["psd"]?.ToLowerInvariant() switch { "y" => true, "n" => false, _ => null });
    }

    private static DmarcPolicy? PolicyOf(string? text) => text?.ToLowerInvariant() switch
    {
        "none" => DmarcPolicy.None,
        "quarantine" => DmarcPolicy.Quarantine,
        "reject" => DmarcPolicy.Reject,
        _ => null,
    };
}
