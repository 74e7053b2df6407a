using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;

namespace GatewaySecure.TrustFetch;

/// <summary>
/// GET and POST over HTTP, bounded in octets, time and redirects. Redirects are followed by hand: three at most, never to another kind of
/// address than http(s), never from https back. Thread-safe.
/// </summary>
public sealed class HttpFetcher : IDisposable
{
    private const int MaximumRedirects = 3;
    private static readonly HttpRequestOptionsKey<bool> s_anywhere = new("anywhere");

    private readonly HttpClient _client;
    private readonly FetchLimits _limits;

    public HttpFetcher(FetchLimits limits)
    {
        _limits = limits;
        _client = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false,
            AutomaticDecompression = DecompressionMethods.None,
            ConnectTimeout = limits.Connect,
            // A connection kept for a listed address must not serve one that is not: the pool knows no difference.
            PooledConnectionLifetime = TimeSpan.Zero,
            ConnectCallback = ConnectAsync,
        })
        { Timeout = Timeout.InfiniteTimeSpan };
        _client.DefaultRequestHeaders.UserAgent.ParseAdd("GatewaySecure");
    }

    public Task<FetchResult> GetAsync(FetchSource source, Validators? known, CancellationToken cancellationToken) =>
        GuardAsync(source.Address, token => FollowAsync(source, known, token), cancellationToken);

    public Task<FetchResult> PostAsync(FetchSource source, byte[] content, string contentType, CancellationToken cancellationToken) =>
        GuardAsync(
            source.Address,
            async token =>
            {
                using var request = Request(HttpMethod.Post, source.Address, source.IsListed);
                request.Content = new ByteArrayContent(content);
                request.Content.Headers.ContentType = new MediaTypeHeaderValue(contentType);
                using var response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, token);
                return await ReadAsync(response, token);
            },
            cancellationToken);

    public void Dispose() => _client.Dispose();

    private async Task<FetchResult> FollowAsync(FetchSource source, Validators? known, CancellationToken cancellationToken)
    {
        var address = source.Address;
        for (var redirects = 0; ; redirects++)
        {
            using var request = Request(HttpMethod.Get, address, source.IsListed);
            if (known?.ETag is { } tag && EntityTagHeaderValue.TryParse(tag, out var parsed))
                request.Headers.IfNoneMatch.Add(parsed);
            if (known?.LastModified is { } modified)
                request.Headers.IfModifiedSince = modified;
            using var response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            if (response.StatusCode is not (HttpStatusCode.Moved or HttpStatusCode.Found or HttpStatusCode.SeeOther or HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect))
                return await ReadAsync(response, cancellationToken);
            if (redirects == MaximumRedirects)
                return new FetchResult.Failed($"it redirects more than {MaximumRedirects} times");
            if (response.Headers.Location is not { } location)
                return new FetchResult.Failed("it redirects to nowhere");
            var next = new Uri(address, location);
            if (next.Scheme is not ("http" or "https") || (address.Scheme == "https" && next.Scheme == "http") || next.UserInfo.Length > 0)
                return new FetchResult.Failed($"it redirects to {Shown(next)}, which is not followed");
            address = next;
        }
    }

    private static HttpRequestMessage Request(HttpMethod method, Uri address, bool anywhere)
    {
        var request = new HttpRequestMessage(method, address);
        request.Options.Set(s_anywhere, anywhere);
        return request;
    }

    private async Task<FetchResult> ReadAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (response.StatusCode == HttpStatusCode.NotModified)
            return new FetchResult.NotModified();
        if (response.StatusCode != HttpStatusCode.OK)
            return new FetchResult.Failed($"it answers {(int)response.StatusCode}");
        if (response.Content.Headers.ContentLength > _limits.MaximumOctets)
            return TooLong();
        await using var body = await response.Content.ReadAsStreamAsync(cancellationToken);
        using var content = new MemoryStream();
        var buffer = new byte[32 << 10];
        int read;
        while ((read = await body.ReadAsync(buffer, cancellationToken)) > 0)
        {
            if (content.Length + read > _limits.MaximumOctets)
                return TooLong();
            content.Write(buffer, 0, read);
        }
        return new FetchResult.Fetched(content.ToArray(), new(response.Headers.ETag?.ToString(), response.Content.Headers.LastModified));
    }

    private FetchResult.Failed TooLong() => new($"its answer is longer than {_limits.MaximumOctets} octets");

    private async Task<FetchResult> GuardAsync(Uri address, Func<CancellationToken, Task<FetchResult>> fetch, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(_limits.Time);
        try
        {
            return await fetch(limit.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new FetchResult.Failed($"it did not answer whole within {_limits.Time.TotalSeconds:0.#} seconds");
        }
        catch (Exception e) when (e is HttpRequestException or IOException or SocketException or UriFormatException or InvalidOperationException or FormatException)
        {
            return new FetchResult.Failed($"{Shown(address)} can't be read: {Innermost(e)}");
        }
    }

    private static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        context.InitialRequestMessage.Options.TryGetValue(s_anywhere, out var anywhere);
        var addresses = await Whereabouts.FindAsync(context.DnsEndPoint.Host, anywhere, cancellationToken);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(addresses, context.DnsEndPoint.Port, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static string Shown(Uri address) => address.GetLeftPart(UriPartial.Path);

    private static string Innermost(Exception e)
    {
        while (e.InnerException is { } inner)
            e = inner;
        return e.Message.TrimEnd('.');
    }
}
