using System.Text.Json.Serialization;

namespace GatewaySecure.MailRouting.TlsReports;

/// <summary>The sessions of one day (UTC) with the hosts of one recipient domain, policy by policy. Not thread-safe.</summary>
internal sealed class DomainCounts
{
    /// <summary>Bounded, since policies and hosts are others' choice; what is beyond is in the sums only.</summary>
    private const int MostPolicies = 50;

    private const int MostFailures = 500;

    public List<PolicyCounts> Policies { get; init; } = [];

    /// <summary>Where this report was delivered already.</summary>
    public HashSet<string> SentTo { get; init; } = [];

    public void Count(TlsSession session)
    {
        var policy = Policies.Find(p => p.Is(session.Policy));
        if (policy is null)
        {
            if (Policies.Count >= MostPolicies)
                return;
            Policies.Add(policy = new PolicyCounts { Policy = session.Policy });
        }
        if (session.Failure is not { } failure)
        {
            policy.Successful++;
            return;
        }
        policy.Failed++;
        var address = session.Address?.ToString();
        var known = policy.Failures.Find(f => f.Result == failure.Result && f.Host == session.Host && f.Address == address);
        if (known is not null)
            known.Count++;
        else if (policy.Failures.Count < MostFailures)
            policy.Failures.Add(new FailureCount { Result = failure.Result, Host = session.Host, Address = address, Detail = failure.Detail, Count = 1 });
    }
}

/// <summary>The sessions under one policy.</summary>
internal sealed class PolicyCounts
{
    public required ReportedPolicy Policy { get; init; }

    public long Successful { get; set; }

    public long Failed { get; set; }

    public List<FailureCount> Failures { get; init; } = [];

    public bool Is(ReportedPolicy other) =>
        Policy.Type == other.Type && Policy.Domain == other.Domain && Policy.Lines.SequenceEqual(other.Lines);
}

/// <summary>Failures of one kind with one host.</summary>
internal sealed class FailureCount
{
    [JsonConverter(typeof(JsonStringEnumConverter<TlsResult>))]
    public TlsResult Result { get; init; }

    public required string Host { get; init; }

    public string? Address { get; init; }

    /// <summary>Of the first of them.</summary>
    public required string Detail { get; init; }

    public long Count { get; set; }
}
