using System.Collections.Immutable;
using GatewaySecure.MailRouting.Dane;
using GatewaySecure.MailRouting.MtaSts;

namespace GatewaySecure.MailRouting;

/// <summary>The TLS that a domain demands of a session with one of its hosts.</summary>
public abstract record HostTls
{
    private protected HostTls(string serverName) => ServerName = serverName;

    /// <summary>For SNI, and the name that a certificate is checked against first.</summary>
    public string ServerName { get; }

    /// <summary>Nothing is sent but under TLS that passes the check.</summary>
    public abstract bool IsRequired { get; }

    /// <summary>For people.</summary>
    public abstract string Explain();

    /// <summary>The same for the same demands: a session that was made under others must not be used again.</summary>
    public virtual string Key => $"{GetType().Name} {ServerName}";
}

/// <summary>No policy: TLS where offered, any certificate (RFC 7435).</summary>
public sealed record OpportunisticTls(string Host) : HostTls(Host)
{
    public override bool IsRequired => false;

    public override string Explain() => "opportunistic: TLS where offered, with any certificate";
}

/// <summary>An MTA-STS policy (RFC 8461): a certificate of a public CA with the host's name.</summary>
/// <param name="MatchesPolicy">The host is one of the policy's; false occurs in testing mode only.</param>
public sealed record StsTls(string Host, StsPolicy Policy, bool MatchesPolicy) : HostTls(Host)
{
    public override bool IsRequired => Policy.Mode == StsMode.Enforce;

    public override string Key => $"{base.Key} {MatchesPolicy} {string.Join(' ', Policy.Lines())}";

    public override string Explain() => IsRequired
        ? $"required by MTA-STS: a trusted certificate for {Host}"
        : "MTA-STS in testing mode: failures are counted and reported, mail goes all the same";
}

/// <summary>TLSA records (RFC 7672): a certificate that matches one of them.</summary>
/// <param name="BaseDomain">Where the records are, below <c>_25._tcp</c>: SNI and the first reference name (§2.2.3, §3.2.2).</param>
/// <param name="OtherNames">Further names that a certificate under DANE-TA(2) may have: the recipient's domain, and what it is an alias of.</param>
public sealed record DaneTls(string BaseDomain, TlsaSet Records, ImmutableArray<string> OtherNames) : HostTls(BaseDomain)
{
    public override bool IsRequired => true;

    public override string Key => $"{base.Key} {string.Join(' ', OtherNames)} {string.Join(' ', Records.Lines().Order())}";

    public override string Explain() => Records.IsUsable
        ? $"required by DANE: a certificate that matches TLSA of _25._tcp.{BaseDomain} ({Records})"
        : $"required by DANE, without a check: no TLSA record of _25._tcp.{BaseDomain} is usable";
}

/// <summary>The gateway's own configuration wants TLS, whatever the domain says: a certificate of a public CA with the host's name.</summary>
public sealed record ConfiguredTls(string Host) : HostTls(Host)
{
    public override bool IsRequired => true;

    public override string Explain() => $"required by the configuration: a trusted certificate for {Host}";
}
