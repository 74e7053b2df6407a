using System.Net;
using System.Threading.RateLimiting;
using GatewaySecure.KdcCore;
using Microsoft.AspNetCore.Http;

namespace GatewaySecure.KdcServer.Http;

/// <summary>
/// Bounds what one address may ask, because answering a challenge and checking a MAC cost something before anybody has proved a key.
/// A gateway with the certificate on its record is past it: its own rate is the KDC's to limit. Idle addresses are forgotten.
/// </summary>
internal sealed class StrangerLimit(int perMinute, IPrincipalStore principals) : IEndpointFilter, IDisposable
{
    private readonly PartitionedRateLimiter<IPAddress> _limiter = PartitionedRateLimiter.Create<IPAddress, IPAddress>(
        address => RateLimitPartition.GetTokenBucketLimiter(address, _ => new TokenBucketRateLimiterOptions
        {
            TokenLimit = perMinute,
            TokensPerPeriod = Math.Max(1, perMinute / 60),
            ReplenishmentPeriod = TimeSpan.FromSeconds(Math.Max(1, 60 / perMinute)),
            QueueLimit = 0,
        }));

    public async ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        var http = context.HttpContext;
        var known = PeerIdentity.Of(http).Certificate is { } certificate
            && await principals.FindByCertificateAsync(certificate, PrincipalKind.Gateway, http.RequestAborted) is not null;
        if (known)
            return await next(context);
        using var lease = _limiter.AttemptAcquire(PeerIdentity.LimitKey(http.Connection.RemoteIpAddress));
        if (lease.IsAcquired)
            return await next(context);
        http.Response.Headers.RetryAfter = "5";
        return TypedResults.StatusCode(StatusCodes.Status429TooManyRequests);
    }

    public void Dispose() => _limiter.Dispose();
}
