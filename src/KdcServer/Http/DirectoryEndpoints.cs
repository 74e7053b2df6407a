using GatewaySecure.Addresses;
using GatewaySecure.KdcCore;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;

namespace GatewaySecure.KdcServer.Http;

/// <summary>Looks at principals, for gateways alone: the answers tell who exists.</summary>
internal static class DirectoryEndpoints
{
    public static void MapDirectory(this IEndpointRouteBuilder routes, IKdcDirectory directory, TimeProvider time, IPrincipalStore principals)
    {
        var gateways = routes.MapGroup("").AddEndpointFilter(async (context, next) =>
        {
            var http = context.HttpContext;
            var gateway = PeerIdentity.Of(http).Certificate is { } certificate
                ? await principals.FindByCertificateAsync(certificate, PrincipalKind.Gateway, http.RequestAborted)
                : null;
            return gateway is not null && gateway.Objection(time.GetUtcNow()) is null
                ? await next(context)
                : TypedResults.StatusCode(StatusCodes.Status403Forbidden);
        });
        gateways.MapPost("standing", async Task<Results<Ok<StandingAnswer>, BadRequest>> (StandingQuestion question, CancellationToken cancellationToken) =>
                PrincipalId.TryParse(question.Principal, out var principal) && MailAddress.TryParse(question.Address, out var address)
                    ? TypedResults.Ok(new StandingAnswer(await directory.StandingAsync(new TicketParty(principal, address), cancellationToken)))
                    : TypedResults.BadRequest())
            .WithName("standing")
            .WithSummary("Whether a principal is in good standing and still holds an address.")
            .WithTags("directory")
            .Produces(StatusCodes.Status403Forbidden);
        gateways.MapPost("preview", async Task<Results<Ok<PreviewAnswer>, BadRequest>> (PreviewQuestion question, CancellationToken cancellationToken) =>
            {
                if (!MailAddress.TryParse(question.Address, out var address))
                    return TypedResults.BadRequest();
                var preview = await directory.PreviewAsync(address, cancellationToken);
                return TypedResults.Ok(new PreviewAnswer(preview.Principal?.ToString(), preview.Kvno, preview.Refusal));
            })
            .WithName("preview")
            .WithSummary("What a request of a ticket for this recipient would meet now.")
            .WithTags("directory")
            .Produces(StatusCodes.Status403Forbidden);
    }
}

/// <summary>Asks after one party of a ticket.</summary>
/// <param name="Principal">32 hexadecimal digits.</param>
internal sealed record StandingQuestion(string Principal, string Address);

/// <summary>How a principal stands.</summary>
/// <param name="Objection">Null where nothing speaks against it, else one plain sentence.</param>
internal sealed record StandingAnswer(string? Objection);

/// <summary>Asks after a recipient.</summary>
internal sealed record PreviewQuestion(string Address);

/// <summary>What a request for a recipient would meet.</summary>
/// <param name="Principal">32 hexadecimal digits; null: nobody holds the address.</param>
/// <param name="Kvno">Null: no card yet.</param>
/// <param name="Refusal">Null where a ticket would be issued, else one plain sentence.</param>
internal sealed record PreviewAnswer(string? Principal, int? Kvno, string? Refusal);
