using System.Collections.Immutable;
using System.Net;

namespace GatewaySecure.MailRouting.TlsReports;

/// <summary>What went wrong with TLS, by the result types of RFC 8460 §4.3.</summary>
public enum TlsResult
{
    StartTlsNotSupported,
    CertificateHostMismatch,
    CertificateExpired,
    CertificateNotTrusted,
    ValidationFailure,
    DnssecInvalid,
    StsPolicyFetchError,
    StsPolicyInvalid,
    StsWebpkiInvalid,
}

/// <summary>Why a session was not under the TLS that it should have been under.</summary>
/// <param name="Detail">For people.</param>
public sealed record TlsFailure(TlsResult Result, string Detail)
{
    internal static TlsFailure HostMismatch(string name) => new(TlsResult.CertificateHostMismatch, $"the certificate is not for {name}");

    internal static TlsFailure NotInPolicy(string host) => new(TlsResult.ValidationFailure, $"{host} is not an MX host of the policy");
}

/// <summary>The policy that a session was under, as a report names it (RFC 8460 §4.4).</summary>
/// <param name="Type"><c>sts</c>, <c>tlsa</c> or <c>no-policy-found</c>.</param>
/// <param name="Domain">Whose policy it is: the recipient's domain, or under DANE the TLSA base domain.</param>
/// <param name="Lines">The policy's text.</param>
/// <param name="MxPatterns">Of an MTA-STS policy.</param>
public sealed record ReportedPolicy(string Type, string Domain, ImmutableArray<string> Lines, ImmutableArray<string> MxPatterns)
{
    public static ReportedPolicy None(string domain) => new("no-policy-found", domain, [], []);

    internal static ReportedPolicy Of(HostTls tls, string domain) => tls switch
    {
        StsTls sts => Of(sts.Policy, domain),
        DaneTls dane => new("tlsa", dane.BaseDomain, [.. dane.Records.Lines()], []),
        _ => None(domain),
    };

    internal static ReportedPolicy Of(MtaSts.StsPolicy policy, string domain) => new("sts", domain, [.. policy.Lines()], policy.MxPatterns);
}

/// <summary>One attempt at a session with a host, to be counted.</summary>
/// <param name="Domain">The recipient's: it gets the report.</param>
/// <param name="Failure">Null: it was as it should be.</param>
public sealed record TlsSession(string Domain, ReportedPolicy Policy, string Host, IPAddress? Address, TlsFailure? Failure)
{
    public static TlsSession Of(string domain, HostTls tls, string host, IPAddress? address, TlsFailure? failure) =>
        new(domain, ReportedPolicy.Of(tls, domain), host, address, failure);
}
