using System.Security.Cryptography;
using GatewaySecure.CertificateAuthority;
using GatewaySecure.KdcCore;
using GatewaySecure.KdcServer.Hosting;
using GatewaySecure.KdcTransport.Operator;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.KdcServer.Http;

/// <summary>
/// Before each operation of <c>/operator/v1</c>: what is refused is an answer with a reason (403; 409 where somebody else was faster; 401 where the session has
/// ended), and anything else that goes wrong is "later" (503).
/// </summary>
internal sealed class OperatorGate(ILogger log) : IEndpointFilter
{
    private const string Scheme = "Bearer ";

    public async ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        var http = context.HttpContext;
        try
        {
            return await next(context);
        }
        catch (SessionEndedException e)
        {
            return Refused(StatusCodes.Status401Unauthorized, e.Message);
        }
        // A vault says so of a station that it does not know.
        catch (Exception e) when (e is AdministrationException or CertificateRefusedException or CryptographicException)
        {
            return Refused(StatusCodes.Status403Forbidden, e.Message);
        }
        catch (StaleRecordException e)
        {
            return Refused(StatusCodes.Status409Conflict, $"{e.Message} Ask again.");
        }
        catch (Exception e) when (e is not OperationCanceledException || !http.RequestAborted.IsCancellationRequested)
        {
            log.NotAnswered(e, http.Request.Path);
            return TypedResults.StatusCode(StatusCodes.Status503ServiceUnavailable);
        }
    }

    public static string? Token(HttpContext http) =>
        http.Request.Headers.Authorization.ToString() is var field && field.StartsWith(Scheme, StringComparison.Ordinal) ? field[Scheme.Length..] : null;

    private static JsonHttpResult<OperatorRefusal> Refused(int status, string reason) => TypedResults.Json(new OperatorRefusal(reason), statusCode: status);
}
