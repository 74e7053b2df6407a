using System.Collections.Immutable;

namespace GatewaySecure.Dns;

/// <summary>What the DNS said to one question: found, no such data, no such name, or nothing that can be relied on.</summary>
/// <typeparam name="T">What one record says.</typeparam>
public abstract record DnsAnswer<T>
{
    private protected DnsAnswer()
    {
    }

    /// <summary>Empty unless found.</summary>
    public virtual ImmutableArray<T> Records => [];

    /// <summary>DNSSEC proved it, also that something is not there: a trusted local resolver set the AD bit (RFC 4035 §3.2.3).</summary>
    public bool IsAuthenticated { get; init; }

    /// <summary>How long it may still be relied on; zero: now only.</summary>
    public TimeSpan TimeToLive { get; init; }
}

/// <summary>There are records, one at least.</summary>
/// <param name="Found">In the order they came.</param>
/// <param name="CanonicalName">Whose they are, in lower case without a final dot: the name asked for, or what its aliases lead to.</param>
public sealed record DnsFound<T>(ImmutableArray<T> Found, string CanonicalName) : DnsAnswer<T>
{
    public override ImmutableArray<T> Records => Found;
}

/// <summary>The name is there and has no such record.</summary>
public sealed record DnsNoData<T> : DnsAnswer<T>;

/// <summary>The name is not there: NXDOMAIN.</summary>
public sealed record DnsNoSuchName<T> : DnsAnswer<T>;

/// <summary>No answer, or one that says nothing of the name (SERVFAIL, which is also what a bad signature gives): temporary.</summary>
/// <param name="Reason">For logs and replies.</param>
public sealed record DnsFailed<T>(string Reason) : DnsAnswer<T>;
