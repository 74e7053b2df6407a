using GatewaySecure.KdcCore;
using GatewaySecure.KdcServer.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.KdcServer.Http;

/// <summary>
/// The exchange of docs/formats/kdc-mail.md §7 over HTTPS: DER in, DER out. A refusal is an answer (status 200); another status means
/// that there is none, and nothing was issued.
/// </summary>
internal static class ExchangeEndpoints
{
    public const string MediaType = "application/vnd.gatewaysecure.kdc";

    public static void MapExchange(this IEndpointRouteBuilder routes, KdcService kdc, ILogger log)
    {
        Map(routes, "challenge", "A ChallengeRequest; answered with a challenge, or refused.", (k, r, ct) => k.ChallengeAsync(r, ct), kdc, log);
        Map(routes, "tickets", "A Request of tickets; answered with a Reply, or refused.", (k, r, ct) => k.RequestTicketsAsync(r, ct), kdc, log);
        Map(routes, "exchange", "A Request to exchange a ticket under an older key; answered with a Ticket, or refused.",
            (k, r, ct) => k.ExchangeAsync(r, ct), kdc, log);
    }

    private static void Map(
        IEndpointRouteBuilder routes,
        string name,
        string summary,
        Func<IKdc, ReadOnlyMemory<byte>, CancellationToken, ValueTask<byte[]>> operation,
        KdcService kdc,
        ILogger log) =>
        routes.MapPost(name, (Delegate)((HttpContext http) => AnswerAsync(http, name, operation, kdc, log)))
            .WithName(name)
            .WithSummary(summary)
            .WithDescription("DER as docs/formats/kdc-mail.md §7 specifies it. A gateway comes by mutual TLS with the certificate on its record.")
            .WithTags("exchange")
            .Accepts<byte[]>(MediaType)
            .Produces<byte[]>(StatusCodes.Status200OK, MediaType)
            .Produces(StatusCodes.Status413PayloadTooLarge)
            .Produces(StatusCodes.Status415UnsupportedMediaType)
            .Produces(StatusCodes.Status429TooManyRequests)
            .Produces(StatusCodes.Status503ServiceUnavailable);

    private static async Task<Results<FileContentHttpResult, StatusCodeHttpResult>> AnswerAsync(
        HttpContext http,
        string name,
        Func<IKdc, ReadOnlyMemory<byte>, CancellationToken, ValueTask<byte[]>> operation,
        KdcService kdc,
        ILogger log)
    {
        // Kestrel bounds the body; one that is too long throws here and is answered with 413.
        using var body = new MemoryStream();
        await http.Request.Body.CopyToAsync(body, http.RequestAborted);
        try
        {
            var answer = await operation(kdc.For(PeerIdentity.Of(http)), body.ToArray(), http.RequestAborted);
            return TypedResults.File(answer, MediaType);
        }
        catch (Exception e) when (e is not OperationCanceledException || !http.RequestAborted.IsCancellationRequested)
        {
            // Vault, database or disk: no answer exists, so nobody may be told one.
            log.NotAnswered(e, name);
            return TypedResults.StatusCode(StatusCodes.Status503ServiceUnavailable);
        }
    }
}
