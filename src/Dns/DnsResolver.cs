using System.Collections.Immutable;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using DnsClient;
using DnsClient.Protocol;

namespace GatewaySecure.Dns;

/// <summary>
/// Asks the servers one after the other until one answers: over UDP, and over TCP where an answer did not fit (RFC 7766 §5). Answers are kept
/// for their time to live, negative ones too (RFC 2308 §5).
/// </summary>
public sealed class DnsResolver : IDnsResolver
{
    /// <summary>Longer is of no use to mail, and would keep an error for weeks.</summary>
    private static readonly TimeSpan LongestLife = TimeSpan.FromDays(1);

    /// <summary>RFC 2308 §5 advises one to three hours at most.</summary>
    private static readonly TimeSpan LongestNegativeLife = TimeSpan.FromHours(1);

    /// <summary>So that a burst of mail does not ask a dead server once for each (RFC 2308 §7.1: at most five minutes).</summary>
    private static readonly TimeSpan FailureLife = TimeSpan.FromSeconds(5);

    private const int LongestAliasChain = 16;

    private readonly ImmutableArray<(IPEndPoint Address, LookupClient Client, bool IsTrusted)> _servers;
    private readonly DnsCache _cache;

    public DnsResolver(DnsResolverOptions options, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(options);
        var addresses = options.Servers.IsDefaultOrEmpty ? SystemServers() : options.Servers;
        _servers = [.. addresses.Select(a => (a, ClientFor(a, options), options.TrustAuthenticated && IPAddress.IsLoopback(a.Address)))];
        _cache = new DnsCache(options.CacheEntries, time);
    }

    /// <summary>Those that are asked, in their order.</summary>
    public ImmutableArray<IPEndPoint> Servers => [.. _servers.Select(s => s.Address)];

    public ValueTask<DnsAnswer<MailExchanger>> MxAsync(string name, CancellationToken cancellationToken) =>
        AskAsync(name, QueryType.MX, r => r is MxRecord mx ? new MailExchanger(mx.Preference, Plain(mx.Exchange)) : null, cancellationToken);

    public ValueTask<DnsAnswer<IPAddress>> AddressesAsync(string name, AddressFamily family, CancellationToken cancellationToken) =>
        AskAsync(
            name,
            family == AddressFamily.InterNetworkV6 ? QueryType.AAAA : QueryType.A,
            r => r is AddressRecord a && a.Address.AddressFamily == family ? a.Address : null,
            cancellationToken);

    public ValueTask<DnsAnswer<string>> TxtAsync(string name, CancellationToken cancellationToken) =>
        AskAsync(name, QueryType.TXT, r => r is TxtRecord txt ? string.Concat(txt.Text) : null, cancellationToken);

    public ValueTask<DnsAnswer<TlsaAssociation>> TlsaAsync(string name, CancellationToken cancellationToken) =>
        AskAsync(
            name,
            QueryType.TLSA,
            r => r is TlsaRecord t
                ? new TlsaAssociation((byte)t.CertificateUsage, (byte)t.Selector, (byte)t.MatchingType, [.. t.CertificateAssociationData])
                : null,
            cancellationToken);

    public ValueTask<DnsAnswer<string>> CnameAsync(string name, CancellationToken cancellationToken) =>
        AskAsync(name, QueryType.CNAME, r => r is CNameRecord alias ? Plain(alias.CanonicalName) : null, cancellationToken);

    public ValueTask<DnsAnswer<string>> PtrAsync(IPAddress address, CancellationToken cancellationToken) =>
        AskAsync(address.GetArpaName(), QueryType.PTR, r => r is PtrRecord ptr ? Plain(ptr.PtrDomainName) : null, cancellationToken);

    private async ValueTask<DnsAnswer<T>> AskAsync<T>(
        string name, QueryType type, Func<DnsResourceRecord, T?> read, CancellationToken cancellationToken)
        where T : class
    {
        var asked = Plain(name);
        if (_cache.Get<T>(asked, (int)type) is { } known)
            return known;
        DnsQuestion question;
        try
        {
            question = new DnsQuestion(asked, type);
        }
        catch (ArgumentException)
        {
            // A label or name that is too long can't be in the DNS.
            return new DnsNoSuchName<T>();
        }
        DnsAnswer<T> answer = new DnsFailed<T>("no DNS server is known");
        foreach (var server in _servers)
        {
            answer = await AskAsync(server.Address, server.Client, server.IsTrusted, question, asked, read, cancellationToken);
            if (answer is not DnsFailed<T>)
                break;
        }
        if (answer is DnsFailed<T>)
            answer = answer with { TimeToLive = FailureLife };
        _cache.Put(asked, (int)type, answer);
        return answer;
    }

    private static async Task<DnsAnswer<T>> AskAsync<T>(
        IPEndPoint server,
        LookupClient client,
        bool isTrusted,
        DnsQuestion question,
        string asked,
        Func<DnsResourceRecord, T?> read,
        CancellationToken cancellationToken)
        where T : class
    {
        IDnsQueryResponse response;
        try
        {
            response = await client.QueryAsync(question, cancellationToken);
        }
        // An answer that can't be parsed comes as exceptions of many types: all of them say that nothing is known.
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var why = e is DnsResponseException { Code: DnsResponseCode.ConnectionTimeout } ? "no answer in time" : e.Message;
            return new DnsFailed<T>($"{asked} {question.QuestionType} at {server}: {why}");
        }
        var answer = Read(response, question, asked, read);
        return answer is DnsFailed<T> failed
            ? new DnsFailed<T>($"{asked} {question.QuestionType} at {server}: {failed.Reason}")
            : answer with { IsAuthenticated = isTrusted && response.Header.IsAuthenticData };
    }

    private static DnsAnswer<T> Read<T>(IDnsQueryResponse response, DnsQuestion question, string asked, Func<DnsResourceRecord, T?> read)
        where T : class
    {
        // RFC 5452 §3: the question in the answer must be ours.
        if (response.Questions is not [var repeated] || repeated.QuestionType != question.QuestionType || Plain(repeated.QueryName.Value) != asked)
            return new DnsFailed<T>("an answer to another question");
        if (response.Header.ResponseCode == DnsHeaderResponseCode.NotExistentDomain)
            return new DnsNoSuchName<T> { TimeToLive = NegativeLife(response) };
        if (response.Header.ResponseCode != DnsHeaderResponseCode.NoError)
            return new DnsFailed<T>($"{response.Header.ResponseCode}");

        var (owner, life) = FollowAliases(response, asked, question.QuestionType == QueryType.CNAME);
        var records = ImmutableArray.CreateBuilder<T>();
        foreach (var record in response.Answers.Where(r => Plain(r.DomainName.Value) == owner))
        {
            if (read(record) is not { } value)
                continue;
            records.Add(value);
            life = Math.Min(life, Life(record));
        }
        if (records.Count > 0)
            return new DnsFound<T>(records.ToImmutable(), owner) { TimeToLive = Shorter(TimeSpan.FromSeconds(life), LongestLife) };
        // A server that neither knows nor asks others points elsewhere: that says nothing of the name.
        if (!response.Header.RecursionAvailable && !response.Header.HasAuthorityAnswer)
            return new DnsFailed<T>("the server does not ask others (no recursion)");
        return new DnsNoData<T> { TimeToLive = NegativeLife(response) };
    }

    private static (string Owner, int Life) FollowAliases(IDnsQueryResponse response, string asked, bool isForAlias)
    {
        var (owner, life) = (asked, int.MaxValue);
        for (var i = 0; i < LongestAliasChain && !isForAlias; i++)
        {
            if (response.Answers.OfType<CNameRecord>().FirstOrDefault(r => Plain(r.DomainName.Value) == owner) is not { } alias)
                break;
            owner = Plain(alias.CanonicalName);
            life = Math.Min(life, Life(alias));
        }
        return (owner, life);
    }

    /// <summary>RFC 2308 §5: the lesser of the SOA's own life and its minimum; without SOA, not at all.</summary>
    private static TimeSpan NegativeLife(IDnsQueryResponse response) =>
        response.Authorities.OfType<SoaRecord>().FirstOrDefault() is { } soa
            ? Shorter(TimeSpan.FromSeconds(Math.Min(Life(soa), soa.Minimum)), LongestNegativeLife)
            : TimeSpan.Zero;

    /// <summary>RFC 2181 §8: with its highest bit set it counts as zero.</summary>
    private static int Life(DnsResourceRecord record) => Math.Max(0, record.InitialTimeToLive);

    private static TimeSpan Shorter(TimeSpan a, TimeSpan b) => a < b ? a : b;

    private static string Plain(string name) => name.TrimEnd('.').ToLowerInvariant();

    private static LookupClient ClientFor(IPEndPoint server, DnsResolverOptions options) =>
        new(new LookupClientOptions(server)
        {
            AutoResolveNameServers = false,
            UseCache = false,
            Timeout = options.Timeout,
            Retries = 1,
            ThrowDnsErrors = false,
            ContinueOnDnsError = false,
            ContinueOnEmptyResponse = false,
            UseTcpFallback = true,
            // Fits into one packet everywhere, so that nobody can put in a second fragment.
            ExtendedDnsBufferSize = 1232,
            RequestDnsSecRecords = options.TrustAuthenticated,
        });

    private static ImmutableArray<IPEndPoint> SystemServers()
    {
        try
        {
            return
            [
                .. NameServer.ResolveNameServers(skipIPv6SiteLocal: true, fallbackToGooglePublicDns: false)
                    .Select(s => new IPEndPoint(IPAddress.Parse(s.Address!), s.Port)),
            ];
        }
        catch (Exception e) when (e is NetworkInformationException or InvalidOperationException)
        {
            // A machine without a network: every question then fails with "no DNS server is known".
            return [];
        }
    }
}
