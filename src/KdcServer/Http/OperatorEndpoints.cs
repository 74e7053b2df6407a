using GatewaySecure.KdcServer.Operators;
using GatewaySecure.KdcTransport.Operator;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;

namespace GatewaySecure.KdcServer.Http;

/// <summary>What operators do at their stations: sessions, users, cards, recoveries (docs/kdc.md).</summary>
internal static class OperatorEndpoints
{
    /// <param name="strangers">For what is asked before a card has proved itself.</param>
    public static void MapOperators(this IEndpointRouteBuilder routes, OperatorDesk desk, IEndpointFilter strangers)
    {
        MapLogOn(routes.MapGroup("").AddEndpointFilter(strangers), desk);
        MapSessions(routes, desk);
        MapUsers(routes, desk);
        MapIssuing(routes, desk);
        MapStandings(routes, desk);
        MapRecoveries(routes, desk);
    }

    private static void MapLogOn(IEndpointRouteBuilder routes, OperatorDesk desk)
    {
        routes.MapPost("challenge", () => TypedResults.Ok(new LogOnChallenge(desk.Sessions.Challenge())))
            .Named("logOnChallenge", "A challenge to be signed by an operator's card within a minute.");
        routes.MapPost("session", async (LogOnRequest request, CancellationToken ct) => TypedResults.Ok(await desk.Sessions.LogOnAsync(request, ct)))
            .Named("logOn", "Opens a session, with a signature of the operator's card for this server and one station.");
    }

    private static void MapSessions(IEndpointRouteBuilder routes, OperatorDesk desk)
    {
        routes.MapPost("heartbeat", (Delegate)(async (HttpContext http) =>
            {
                await desk.Sessions.DemandAsync(OperatorGate.Token(http), works: false, http.RequestAborted);
                return TypedResults.NoContent();
            }))
            .Named("heartbeat", "The card is still there. Three missing ones end the session.");
        routes.MapPost("session/end", async (HttpContext http, OperatorReason body) =>
            {
                await desk.Sessions.EndByStationAsync(OperatorGate.Token(http), body.Reason);
                return TypedResults.NoContent();
            })
            .Named("logOff", "Ends the session at once, as when the card was pulled.");
    }

    private static void MapUsers(IEndpointRouteBuilder routes, OperatorDesk desk)
    {
        routes.MapGet("users", (HttpContext http, string address) => DoAsync(desk, http, (_, ct) => desk.UsersAsync(address, ct)))
            .Named("users", "Who holds an address; one or nobody.");
        routes.MapPost("users", (HttpContext http, NewUser user) => DoAsync(desk, http, (by, ct) => desk.AddUserAsync(by, user, ct)))
            .Named("addUser", "Puts a user on record, without a key.");
    }

    private static void MapIssuing(IEndpointRouteBuilder routes, OperatorDesk desk)
    {
        routes.MapGet("cards", (HttpContext http, string? kind, string? serial, string? holder) => DoAsync(desk, http, (_, ct) => desk.CardsAsync(kind, serial, holder, ct)))
            .Named("cards", "Every issuing of one card, or every card of a holder, oldest first.");
        routes.MapGet("cards/{id}", (HttpContext http, string id) => DoAsync(desk, http, (_, ct) => desk.ShowAsync(id, ct)))
            .Named("card", "One issuing of a card, and how it stands.");
        routes.MapPost("cards", (HttpContext http, CardOrderBody order) => DoAsync(desk, http, (by, ct) => desk.Issue.OrderAsync(by, order, ct)))
            .Named("orderCard", "Begins the issuing of a card, or gives the one that is open.");
        routes.MapPost("cards/{id}/keys", (HttpContext http, string id, CardKeysBody keys) => DoAsync(desk, http, (by, ct) => desk.Issue.KeysAsync(by, id, keys, ct)))
            .Named("cardKeys", "The keys that the card made.");
        routes.MapPost("cards/{id}/encryption-key", (HttpContext http, string id) => DoAsync(desk, http, (by, ct) => desk.Issue.EncryptionKeyAsync(by, id, ct)))
            .Named("cardEncryptionKey", "The encryption key in escrow, under the session's transport key.");
        routes.MapPost("cards/{id}/imported", (HttpContext http, string id) => DoAsync(desk, http, (by, ct) => desk.Issue.ImportedAsync(by, id, ct)))
            .Named("cardImported", "The encryption key is on the card.");
        routes.MapPost("cards/{id}/certificates", (HttpContext http, string id, CardRequestsBody requests) => DoAsync(desk, http, (by, ct) => desk.Issue.CertifyAsync(by, id, requests, ct)))
            .Named("cardCertificates", "Certificates for the card's keys, by PKCS #10 for those that can sign.");
        routes.MapPost("cards/{id}/codes-begun", (HttpContext http, string id) => DoAsync(desk, http, (by, ct) => desk.Issue.CodesBegunAsync(by, id, ct)))
            .Named("cardCodesBegun", "The card's codes are being changed: it may have either.");
        routes.MapPost("cards/{id}/codes-set", (HttpContext http, string id) => DoAsync(desk, http, (by, ct) => desk.Issue.CodesSetAsync(by, id, ct)))
            .Named("cardCodesSet", "The card has its new codes.");
        routes.MapPost("cards/{id}/master-key", (HttpContext http, string id) => DoAsync(desk, http, (by, ct) => desk.Issue.MasterKeyAsync(by, id, ct)))
            .Named("cardMasterKey", "The holder's next master key, under the session's transport key; the same one when asked again.");
        routes.MapPost("cards/{id}/master-key-written", (HttpContext http, string id) => DoAsync(desk, http, (by, ct) => desk.Issue.MasterKeyWrittenAsync(by, id, ct)))
            .Named("cardMasterKeyWritten", "The card holds its master key and its identity.");
        routes.MapPost("cards/{id}/receipt", (HttpContext http, string id, CardReceiptBody receipt) => DoAsync(desk, http, (by, ct) => desk.Issue.FinishAsync(by, id, receipt, ct)))
            .Named("cardReceipt", "The receipt, signed by the card: it is active now, and its holder's earlier ones are replaced.");
    }

    private static void MapStandings(IEndpointRouteBuilder routes, OperatorDesk desk)
    {
        routes.MapPost("cards/{id}/abandon", (HttpContext http, string id, OperatorReason why) => DoAsync(desk, http, (by, ct) => desk.Standings.AbandonAsync(by, id, why.Reason, ct)))
            .Named("abandonCard", "Gives an issuing up.");
        routes.MapPost("cards/{id}/suspend", (HttpContext http, string id, OperatorReason why) => DoAsync(desk, http, (by, ct) => desk.Standings.SuspendAsync(by, id, why.Reason, ct)))
            .Named("suspendCard", "The card can ask for nothing, and its certificates are on hold; mail to its holder goes on.");
        routes.MapPost("cards/{id}/resume", (HttpContext http, string id, OperatorReason why) => DoAsync(desk, http, (by, ct) => desk.Standings.ResumeAsync(by, id, why.Reason, ct)))
            .Named("resumeCard", "A suspended card is good again.");
        routes.MapPost("cards/{id}/revoke", (HttpContext http, string id, OperatorReason why) => DoAsync(desk, http, (by, ct) => desk.Standings.RevokeAsync(by, id, why.Reason, ct)))
            .Named("revokeCard", "For ever, as where it was lost.");
        routes.MapPost("cards/{id}/unblock", (HttpContext http, string id, OperatorReason why) => DoAsync(desk, http, (by, ct) => desk.Standings.UnblockAsync(by, id, why.Reason, ct)))
            .Named("unblockCard", "The codes that give a blocked card a new PIN.");
    }

    private static void MapRecoveries(IEndpointRouteBuilder routes, OperatorDesk desk)
    {
        routes.MapGet("recoveries", (Delegate)((HttpContext http) => DoAsync(desk, http, (by, _) => Task.FromResult(desk.Recoveries.List(by)))))
            .Named("recoveries", "Those that are open, with the text that this operator's card would sign.");
        routes.MapPost("recoveries", (HttpContext http, RecoveryBody body) => DoAsync(desk, http, (by, ct) => desk.Recoveries.RequestAsync(by, body, ct)))
            .Named("requestRecovery", "Asks for the escrowed keys of a leaver or of a lost card, for a new card.");
        routes.MapPost("recoveries/{id}/approval", (HttpContext http, string id, RecoveryApproval approval) => DoAsync(desk, http, (by, ct) => desk.Recoveries.ApproveAsync(by, id, approval, ct)))
            .Named("approveRecovery", "The second operator's word, signed by his card.");
        routes.MapPost("recoveries/{id}/keys", (HttpContext http, string id) => DoAsync(desk, http, (by, ct) => desk.Recoveries.CollectAsync(by, id, ct)))
            .Named("collectRecovery", "The keys, once, under the transport key of the station where they were requested.");
    }

    private static async Task<Ok<T>> DoAsync<T>(OperatorDesk desk, HttpContext http, Func<OperatorSession, CancellationToken, Task<T>> command) =>
        TypedResults.Ok(await command(await desk.Sessions.DemandAsync(OperatorGate.Token(http), works: true, http.RequestAborted), http.RequestAborted));

    private static void Named(this RouteHandlerBuilder route, string name, string summary) => route
        .WithName(name)
        .WithSummary(summary)
        .WithTags("operators")
        .Produces<OperatorRefusal>(StatusCodes.Status401Unauthorized)
        .Produces<OperatorRefusal>(StatusCodes.Status403Forbidden)
        .Produces<OperatorRefusal>(StatusCodes.Status409Conflict)
        .Produces(StatusCodes.Status503ServiceUnavailable);
}
