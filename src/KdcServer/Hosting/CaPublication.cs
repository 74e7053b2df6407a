using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using GatewaySecure.CertificateAuthority;
using GatewaySecure.KdcServer.Configuration;
using GatewaySecure.ServerHost;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Timeouts;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.KdcServer.Hosting;

/// <summary>Serves the CA's CRL, OCSP answers and certificate over plain HTTP, on a port of their own and nothing else there: all of it is signed.</summary>
internal sealed class CaPublication : IAsyncDisposable
{
    public const string CrlPath = "crl/issuing.crl";
    public const string OcspPath = "ocsp";

    private const string OcspResponse = "application/ocsp-response";

    /// <summary>What proxies may keep, beside what the objects say of themselves.</summary>
    private const string Cache = "public, max-age=600";

    private readonly IssuingCa _ca;
    private readonly ECDsa _key;
    private readonly ILogger _log;
    private readonly SemaphoreSlim _turn = new(1);
    private readonly TimeProvider _time;
    private WebApplication? _web;
    private OcspResponder? _responder;
    private DateTimeOffset _renewAt;

    private CaPublication(IssuingCa ca, ECDsa key, TimeProvider time, ILogger log) => (_ca, _key, _time, _log) = (ca, key, time, log);

    /// <param name="ca">Stays the caller's.</param>
    /// <param name="key">The responder's; disposed with this.</param>
    public static async Task<CaPublication> StartAsync(
        CaConfiguration configuration, IssuingCa ca, ECDsa key, ILoggerFactory logs, TimeProvider time, CancellationToken cancellationToken)
    {
        var publication = new CaPublication(ca, key, time, logs.CreateLogger<CaPublication>());
        try
        {
            await publication.OpenAsync(configuration, logs, cancellationToken);
            return publication;
        }
        catch
        {
            await publication.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_web is not null)
            await _web.DisposeAsync();
        _key.Dispose();
        _turn.Dispose();
    }

    private async Task OpenAsync(CaConfiguration configuration, ILoggerFactory logs, CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton(logs);
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.Services.AddRoutingCore();
        builder.Services.AddRequestTimeouts(o => o.DefaultPolicy = new RequestTimeoutPolicy { Timeout = TimeSpan.FromSeconds(30) });
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxConcurrentConnections = 1000;
            kestrel.Limits.MaxRequestBodySize = OcspResponder.LargestRequest;
            kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
            kestrel.Listen(configuration.Listener);
        });
        _web = builder.Build();
        _web.UseRouting();
        _web.UseRequestTimeouts();
        _web.MapGet("/" + CrlPath, (Delegate)CrlAsync);
        _web.MapGet("/ca/issuing.crt", () => Results.Bytes(_ca.Authority.Certificate.RawData, "application/pkix-cert"));
        _web.MapPost("/" + OcspPath, (Delegate)(async (HttpContext http) =>
        {
            using var body = new MemoryStream();
            await http.Request.Body.CopyToAsync(body, http.RequestAborted);
            return await AnswerAsync(body.ToArray(), http.RequestAborted);
        }));
        // RFC 6960 appendix A.1: the request in base64, as a part of the path.
        _web.MapGet("/" + OcspPath + "/{**request}", (string request, HttpContext http) =>
        {
            var text = Encoding.ASCII.GetBytes(Uri.UnescapeDataString(request));
            return Base64.IsValid(text, out var length) && length <= OcspResponder.LargestRequest
                ? AnswerAsync(Convert.FromBase64String(Encoding.ASCII.GetString(text)), http.RequestAborted)
                : AnswerAsync(ReadOnlyMemory<byte>.Empty, http.RequestAborted);
        });
        await _web.StartAsync(cancellationToken);
        _log.CaServes(configuration.Listener, configuration.Address, _ca.Authority.Certificate.Subject);
    }

    private async Task<IResult> CrlAsync(HttpContext http)
    {
        try
        {
            var crl = await _ca.Authority.CrlAsync(http.RequestAborted);
            http.Response.Headers.CacheControl = Cache;
            return Results.Bytes(crl.Der.ToArray(), "application/pkix-crl", lastModified: crl.ThisUpdate);
        }
        catch (Exception e) when (e is CryptographicException or IOException)
        {
            _log.CaFailed("CRL", e.Message);
            return Results.StatusCode(StatusCodes.Status503ServiceUnavailable);
        }
    }

    private async Task<IResult> AnswerAsync(ReadOnlyMemory<byte> request, CancellationToken cancellationToken)
    {
        try
        {
            return Results.Bytes(await (await ResponderAsync(cancellationToken)).AnswerAsync(request, cancellationToken), OcspResponse);
        }
        catch (Exception e) when (e is CryptographicException or IOException or CertificateRefusedException)
        {
            _log.CaFailed("OCSP", e.Message);
            return Results.StatusCode(StatusCodes.Status503ServiceUnavailable);
        }
    }

    /// <summary>Looks every hour whether its certificate is due.</summary>
    private async Task<OcspResponder> ResponderAsync(CancellationToken cancellationToken)
    {
        if (_responder is { } current && _time.GetUtcNow() < _renewAt)
            return current;
        await _turn.WaitAsync(cancellationToken);
        try
        {
            if (_responder is null || _time.GetUtcNow() >= _renewAt)
            {
                _responder = await _ca.OpenResponderAsync(_key, cancellationToken);
                _renewAt = _time.GetUtcNow().AddHours(1);
            }
            return _responder;
        }
        finally
        {
            _turn.Release();
        }
    }
}
