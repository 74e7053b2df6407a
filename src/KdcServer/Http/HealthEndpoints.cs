using GatewaySecure.KdcServer.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;

namespace GatewaySecure.KdcServer.Http;

/// <summary>For load balancers and monitoring: the process lives; vault and database answer.</summary>
internal static class HealthEndpoints
{
    public static void MapHealth(this IEndpointRouteBuilder routes, Readiness readiness)
    {
        routes.MapGet("/health/live", () => TypedResults.Ok(new LiveAnswer(true)))
            .WithName("live").WithSummary("The process answers.").WithTags("health");
        routes.MapGet("/health/ready", async Task<Results<Ok<ReadyAnswer>, JsonHttpResult<ReadyAnswer>>> () =>
            {
                var now = await readiness.CheckAsync();
                return now.Ready ? TypedResults.Ok(now) : TypedResults.Json(now, statusCode: StatusCodes.Status503ServiceUnavailable);
            })
            .WithName("ready")
            .WithSummary("Vault and database answer, and tickets can be issued.")
            .WithTags("health")
            .Produces<ReadyAnswer>(StatusCodes.Status503ServiceUnavailable);
    }
}

/// <summary>The process lives.</summary>
internal sealed record LiveAnswer(bool Live);

/// <summary>Whether the KDC can do its work.</summary>
/// <param name="Vault">What holds the keys, in plain words.</param>
/// <param name="ForTrials">Keys lie in software.</param>
/// <param name="Problem">Why not; null where it is ready. Names the part, never its error text.</param>
internal sealed record ReadyAnswer(bool Ready, string Vault, bool ForTrials, string? Problem);
