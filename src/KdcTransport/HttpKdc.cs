using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using GatewaySecure.Addresses;
using GatewaySecure.KdcCore;

namespace GatewaySecure.KdcTransport;

/// <summary>
/// A KDC server as its requesters see it (docs/formats/kdc-openapi.json): TLS 1.3 to the pinned server, with the gateway's certificate where
/// there is one. Whatever is not an answer of the KDC is <see cref="KdcUnavailableException"/>. Safe for concurrent use.
/// </summary>
public sealed class HttpKdc : IKdc, IKdcDirectory, IDisposable
{
    private const string MediaType = "application/vnd.gatewaysecure.kdc";

    /// <summary>A thousand tickets with long addresses stay below one megabyte.</summary>
    private const int LargestAnswer = 4 << 20;

    /// <summary>What lacks in an answer must not read as "nothing speaks against it".</summary>
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { RespectRequiredConstructorParameters = true };

    private readonly HttpClient _client;

    public HttpKdc(KdcServerAddress address, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(address);
        _client = PinnedHttp.Create(address, time, LargestAnswer);
    }

    public ValueTask<byte[]> ChallengeAsync(ReadOnlyMemory<byte> request, CancellationToken cancellationToken) =>
        AskAsync("challenge", request, cancellationToken);

    public ValueTask<byte[]> RequestTicketsAsync(ReadOnlyMemory<byte> request, CancellationToken cancellationToken) =>
        AskAsync("tickets", request, cancellationToken);

    public ValueTask<byte[]> ExchangeAsync(ReadOnlyMemory<byte> request, CancellationToken cancellationToken) =>
        AskAsync("exchange", request, cancellationToken);

    public async ValueTask<string?> StandingAsync(TicketParty party, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(party);
        var question = new StandingQuestion(party.Principal.ToString(), party.Address.ToString());
        return (await AskJsonAsync<StandingQuestion, StandingAnswer>("standing", question, cancellationToken)).Objection;
    }

    public async ValueTask<AddressPreview> PreviewAsync(MailAddress address, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(address);
        var answer = await AskJsonAsync<PreviewQuestion, PreviewAnswer>("preview", new PreviewQuestion(address.ToString()), cancellationToken);
        PrincipalId? principal = PrincipalId.TryParse(answer.Principal, out var id) ? id : null;
        return new AddressPreview(address, principal, answer.Kvno, answer.Refusal);
    }

    /// <summary>Fetches the gateway's master key (docs/kdc.md); works once for each token.</summary>
    /// <param name="transportKey">SubjectPublicKeyInfo of the vault that is to receive it.</param>
    public async ValueTask<EnrolmentOutcome> EnrolAsync(string token, ReadOnlyMemory<byte> transportKey, CancellationToken cancellationToken)
    {
        using var content = JsonContent.Create(new EnrolmentQuestion(token, transportKey.ToArray()));
        using var response = await SendAsync("enrolment", content, cancellationToken);
        if (response.StatusCode == HttpStatusCode.Forbidden)
            return new EnrolmentOutcome.Refused((await ReadAsync<EnrolmentRefusal>(response, cancellationToken)).Reason);
        var answer = await ReadAsync<EnrolmentAnswer>(Answered(response), cancellationToken);
        return Realm.TryParse(answer.Realm, out var realm) && PrincipalId.TryParse(answer.Principal, out var principal) && answer.Kvno > 0
            ? new EnrolmentOutcome.Enrolled(realm, new MasterKeyName(principal, answer.Kvno), answer.Key)
            : throw new KdcUnavailableException("The KDC's answer to the enrolment is not readable.");
    }

    public void Dispose() => _client.Dispose();

    private async ValueTask<byte[]> AskAsync(string operation, ReadOnlyMemory<byte> request, CancellationToken cancellationToken)
    {
        using var content = new ReadOnlyMemoryContent(request);
        content.Headers.ContentType = new MediaTypeHeaderValue(MediaType);
        using var response = await SendAsync(operation, content, cancellationToken);
        if (Answered(response).Content.Headers.ContentType?.MediaType != MediaType)
            throw new KdcUnavailableException("What answered is no KDC.");
        return await response.Content.ReadAsByteArrayAsync(cancellationToken);
    }

    private async ValueTask<TAnswer> AskJsonAsync<TQuestion, TAnswer>(string operation, TQuestion question, CancellationToken cancellationToken)
    {
        using var content = JsonContent.Create(question);
        using var response = await SendAsync(operation, content, cancellationToken);
        return await ReadAsync<TAnswer>(Answered(response), cancellationToken);
    }

    private static async ValueTask<T> ReadAsync<T>(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        try
        {
            return await response.Content.ReadFromJsonAsync<T>(Json, cancellationToken) ?? throw new KdcUnavailableException("The KDC's answer is empty.");
        }
        catch (JsonException e)
        {
            throw new KdcUnavailableException("The KDC's answer is not readable.", e);
        }
    }

    private static HttpResponseMessage Answered(HttpResponseMessage response) => response.StatusCode switch
    {
        HttpStatusCode.OK => response,
        HttpStatusCode.Forbidden => throw new KdcUnavailableException(
            "The KDC does not know this gateway's TLS client certificate; 'kdc principal certificate' puts it on record."),
        var other => throw new KdcUnavailableException($"The KDC has no answer now (status {(int)other})."),
    };

    private async ValueTask<HttpResponseMessage> SendAsync(string operation, HttpContent content, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/kdc/v1/" + operation) { Content = content };
        return await PinnedHttp.AskAsync(_client, request, cancellationToken);
    }

    private sealed record StandingQuestion(string Principal, string Address);

    private sealed record StandingAnswer(string? Objection);

    private sealed record PreviewQuestion(string Address);

    private sealed record PreviewAnswer(string? Principal, int? Kvno, string? Refusal);

    private sealed record EnrolmentQuestion(string Token, byte[] TransportKey);

    private sealed record EnrolmentAnswer(string Realm, string Principal, int Kvno, byte[] Key);

    private sealed record EnrolmentRefusal(string Reason);
}
