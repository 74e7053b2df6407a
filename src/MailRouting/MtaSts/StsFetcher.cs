using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using GatewaySecure.Dns;
using GatewaySecure.MailRouting.TlsReports;

namespace GatewaySecure.MailRouting.MtaSts;

/// <summary>What came of fetching a policy.</summary>
internal abstract record StsFetch;

/// <summary>A policy, from the domain's own host.</summary>
internal sealed record StsFetched(StsPolicy Policy) : StsFetch;

/// <summary>None can be had now.</summary>
internal sealed record StsNotFetched(TlsFailure Failure) : StsFetch;

/// <summary>Fetches a domain's policy over HTTPS (RFC 8461 §3.3): a certificate for the policy host, no redirects, at most 64 KiB of text/plain.</summary>
/// <param name="anchors">Null: those of the system.</param>
public sealed class StsFetcher(IDnsResolver dns, TimeProvider time, X509Certificate2Collection? anchors = null, int port = 443)
{
    private const int MostOctets = 64 << 10;

    internal async Task<StsFetch> FetchAsync(string domain, CancellationToken cancellationToken)
    {
        var host = $"mta-sts.{domain}";
        using var client = new HttpsClient(dns, host, time, anchors);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new UriBuilder("https", host, port, ".well-known/mta-sts.txt").Uri);
            // Its time limit covers the headers only; this one the content as well.
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            deadline.CancelAfter(TimeSpan.FromSeconds(60));
            using var response = await client.SendAsync(request, deadline.Token);
            if (response.StatusCode != HttpStatusCode.OK)
                return Failed(TlsResult.StsPolicyFetchError, $"HTTP status {(int)response.StatusCode}");
            if (!"text/plain".Equals(response.Content.Headers.ContentType?.MediaType, StringComparison.OrdinalIgnoreCase))
                return Failed(TlsResult.StsPolicyInvalid, "not text/plain");
            if (await ReadAsync(response.Content, deadline.Token) is not { } text)
                return Failed(TlsResult.StsPolicyInvalid, $"more than {MostOctets} octets");
            return StsPolicy.TryParse(text, out var policy, out var problem)
                ? new StsFetched(policy)
                : Failed(TlsResult.StsPolicyInvalid, problem);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            return client.CertificateProblem is { } wrong
                ? Failed(TlsResult.StsWebpkiInvalid, wrong.Detail)
                : Failed(TlsResult.StsPolicyFetchError, e is OperationCanceledException ? "no answer in time" : (e.InnerException ?? e).Message);
        }

        StsNotFetched Failed(TlsResult result, string detail) => new(new TlsFailure(result, $"{host}: {detail}"));
    }

    private static async Task<string?> ReadAsync(HttpContent content, CancellationToken cancellationToken)
    {
        var octets = new byte[MostOctets + 1];
        await using var stream = await content.ReadAsStreamAsync(cancellationToken);
        var count = await stream.ReadAtLeastAsync(octets, octets.Length, throwOnEndOfStream: false, cancellationToken);
        return count > MostOctets ? null : Encoding.UTF8.GetString(octets.AsSpan(0, count));
    }
}
