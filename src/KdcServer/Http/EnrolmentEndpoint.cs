using GatewaySecure.KdcCore;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;

namespace GatewaySecure.KdcServer.Http;

/// <summary>Where a gateway fetches its master key, once, with a token and the certificate on its record.</summary>
internal static class EnrolmentEndpoint
{
    public static void MapEnrolment(this IEndpointRouteBuilder routes, GatewayEnrolment enrolment) =>
        routes.MapPost("enrolment", async Task<Results<Ok<EnrolmentAnswer>, JsonHttpResult<EnrolmentRefusal>>> (HttpContext http, EnrolmentQuestion question) =>
            await enrolment.RedeemAsync(question.Token, PeerIdentity.Of(http), question.TransportKey, http.RequestAborted) switch
            {
                EnrolmentOutcome.Enrolled done => TypedResults.Ok(
                    new EnrolmentAnswer(done.Realm.Name, done.Name.Principal.ToString(), done.Name.Kvno, done.Key.ToArray())),
                EnrolmentOutcome.Refused no => TypedResults.Json(new EnrolmentRefusal(no.Reason), statusCode: StatusCodes.Status403Forbidden),
                _ => throw new InvalidOperationException("EnrolmentOutcome is a closed hierarchy."),
            })
            .WithName("enrolment")
            .WithSummary("Gives a gateway its master key, once, encrypted to its vault's transport key (RSA-OAEP, SHA-1, MGF1).")
            .WithTags("enrolment")
            .Produces<EnrolmentRefusal>(StatusCodes.Status403Forbidden);
}

/// <summary>A gateway asks for its key.</summary>
/// <param name="Token">32 hexadecimal digits, from <c>kdc gateway token</c>.</param>
/// <param name="TransportKey">SubjectPublicKeyInfo of its vault's RSA transport key, at least 3072 bits.</param>
internal sealed record EnrolmentQuestion(string Token, byte[] TransportKey);

/// <summary>The key, for that vault alone.</summary>
internal sealed record EnrolmentAnswer(string Realm, string Principal, int Kvno, byte[] Key);

/// <summary>Why there is no key.</summary>
internal sealed record EnrolmentRefusal(string Reason);
