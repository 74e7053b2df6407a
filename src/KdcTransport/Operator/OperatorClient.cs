using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using GatewaySecure.KdcCore;

namespace GatewaySecure.KdcTransport.Operator;

/// <summary>
/// The operator's side of a KDC server. What the server refuses is <see cref="AdministrationException"/> with its sentence; that the session has
/// ended is <see cref="SessionEndedException"/>; whatever is not an answer is <see cref="KdcUnavailableException"/>, and the call may be made again. Safe for
/// concurrent use once logged on.
/// </summary>
public sealed class OperatorClient : IDisposable
{
    private const int LargestAnswer = 1 << 20;

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { RespectRequiredConstructorParameters = true };

    private readonly HttpClient _client;
    private string? _server;
    private string? _token;

    public OperatorClient(KdcServerAddress address, TimeProvider time) =>
        _client = PinnedHttp.Create(address, time, LargestAnswer, shown => _server = shown);

    /// <summary>Opens a session.</summary>
    /// <param name="realm">As the station knows it: the card signs it.</param>
    /// <param name="certificate">DER: of the operator's card.</param>
    /// <param name="transportKey">SubjectPublicKeyInfo of the station's.</param>
    /// <param name="sign">The card's authentication key over a text (<see cref="LogOnRequest.Signature"/>).</param>
    public async Task<LogOnAnswer> LogOnAsync(
        Realm realm, ReadOnlyMemory<byte> certificate, ReadOnlyMemory<byte> transportKey, Func<byte[], byte[]> sign, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(realm);
        ArgumentNullException.ThrowIfNull(sign);
        var asked = await SendAsync<LogOnChallenge>(HttpMethod.Post, "challenge", null, cancellationToken);
        var text = LogOnText.Of(realm.Name, _server!, asked.Challenge, transportKey.Span);
        var answer = await SendAsync<LogOnAnswer>(
            HttpMethod.Post, "session", new LogOnRequest(asked.Challenge, certificate.ToArray(), transportKey.ToArray(), sign(text)), cancellationToken);
        _token = answer.Token;
        return answer;
    }

    /// <summary>Says that the card is still there.</summary>
    public async Task HeartbeatAsync(CancellationToken cancellationToken) => (await SendAsync(HttpMethod.Post, "heartbeat", null, cancellationToken)).Dispose();

    /// <summary>Ends the session, such as when the card was pulled.</summary>
    public async Task EndAsync(string reason, CancellationToken cancellationToken) =>
        (await SendAsync(HttpMethod.Post, "session/end", new OperatorReason(reason), cancellationToken)).Dispose();

    /// <summary>Who holds an address; null: nobody.</summary>
    public async Task<UserView?> FindUserAsync(string address, CancellationToken cancellationToken) =>
        (await SendAsync<UserView[]>(HttpMethod.Get, "users?address=" + Uri.EscapeDataString(address), null, cancellationToken)).FirstOrDefault();

    public Task<UserView> AddUserAsync(NewUser user, CancellationToken cancellationToken) => SendAsync<UserView>(HttpMethod.Post, "users", user, cancellationToken);

    /// <summary>Begins the issuing of a card, or gives the one that is open.</summary>
    public Task<CardView> OrderCardAsync(CardOrderBody order, CancellationToken cancellationToken) => SendAsync<CardView>(HttpMethod.Post, "cards", order, cancellationToken);

    public Task<CardView> ShowCardAsync(string id, CancellationToken cancellationToken) => SendAsync<CardView>(HttpMethod.Get, $"cards/{id}", null, cancellationToken);

    /// <summary>Every issuing of one card, oldest first.</summary>
    public Task<CardView[]> CardsAsync(string kind, string serial, CancellationToken cancellationToken) =>
        SendAsync<CardView[]>(HttpMethod.Get, $"cards?kind={kind}&serial={Uri.EscapeDataString(serial)}", null, cancellationToken);

    /// <summary>Every card that the holder of an address ever had, oldest first.</summary>
    public Task<CardView[]> CardsOfAsync(string address, CancellationToken cancellationToken) =>
        SendAsync<CardView[]>(HttpMethod.Get, "cards?holder=" + Uri.EscapeDataString(address), null, cancellationToken);

    /// <summary>The keys that the card made; until they are certified they may be replaced by others.</summary>
    public Task<CardView> ReportKeysAsync(string id, IEnumerable<CardKeyView> keys, CancellationToken cancellationToken) =>
        OnCardAsync<CardView>(id, "keys", new CardKeysBody([.. keys]), cancellationToken);

    /// <summary>The encryption key in escrow, under this station's transport key (<see cref="TransportEncryption.OpenPrivateKey"/>).</summary>
    public Task<SealedKeyAnswer> FetchEncryptionKeyAsync(string id, CancellationToken cancellationToken) =>
        OnCardAsync<SealedKeyAnswer>(id, "encryption-key", null, cancellationToken);

    public Task<CardView> ReportImportAsync(string id, CancellationToken cancellationToken) => OnCardAsync<CardView>(id, "imported", null, cancellationToken);

    /// <summary>Certificates for all keys of the record but that of tickets.</summary>
    public Task<CardView> CertifyAsync(string id, IEnumerable<CardRequestBody> requests, CancellationToken cancellationToken) =>
        OnCardAsync<CardView>(id, "certificates", new CardRequestsBody([.. requests]), cancellationToken);

    public Task<CardView> BeginCodesAsync(string id, CancellationToken cancellationToken) => OnCardAsync<CardView>(id, "codes-begun", null, cancellationToken);

    public Task<CardView> ReportCodesAsync(string id, CancellationToken cancellationToken) => OnCardAsync<CardView>(id, "codes-set", null, cancellationToken);

    /// <summary>The master key that is meant for the card; the same one when asked again.</summary>
    public Task<MasterKeyAnswer> FetchMasterKeyAsync(string id, CancellationToken cancellationToken) =>
        OnCardAsync<MasterKeyAnswer>(id, "master-key", null, cancellationToken);

    public Task<CardView> ReportMasterKeyAsync(string id, CancellationToken cancellationToken) => OnCardAsync<CardView>(id, "master-key-written", null, cancellationToken);

    /// <summary>Ends the issuing: the card is active, and those before it are replaced.</summary>
    public Task<CardView> FinishAsync(string id, CardReceiptBody receipt, CancellationToken cancellationToken) => OnCardAsync<CardView>(id, "receipt", receipt, cancellationToken);

    /// <summary>Gives an issuing up; what was certified for it is revoked.</summary>
    public Task<CardView> AbandonAsync(string id, string reason, CancellationToken cancellationToken) => WithReasonAsync(id, "abandon", reason, cancellationToken);

    public Task<CardView> SuspendAsync(string id, string reason, CancellationToken cancellationToken) => WithReasonAsync(id, "suspend", reason, cancellationToken);

    public Task<CardView> ResumeAsync(string id, string reason, CancellationToken cancellationToken) => WithReasonAsync(id, "resume", reason, cancellationToken);

    /// <summary>For ever; a lost card's key version is no longer good for anything that is asked.</summary>
    public Task<CardView> RevokeAsync(string id, string reason, CancellationToken cancellationToken) => WithReasonAsync(id, "revoke", reason, cancellationToken);

    /// <summary>The codes that give a blocked card a new PIN.</summary>
    public Task<CardCodesView> UnblockAsync(string id, string reason, CancellationToken cancellationToken) =>
        OnCardAsync<CardCodesView>(id, "unblock", new OperatorReason(reason), cancellationToken);

    public Task<RecoveryView> RequestRecoveryAsync(RecoveryBody recovery, CancellationToken cancellationToken) =>
        SendAsync<RecoveryView>(HttpMethod.Post, "recoveries", recovery, cancellationToken);

    /// <summary>Those that are not at their end.</summary>
    public Task<RecoveryView[]> RecoveriesAsync(CancellationToken cancellationToken) => SendAsync<RecoveryView[]>(HttpMethod.Get, "recoveries", null, cancellationToken);

    /// <param name="signature">By this operator's card over <see cref="RecoveryView.Text"/> in UTF-8.</param>
    public Task<RecoveryView> ApproveRecoveryAsync(string id, byte[] signature, CancellationToken cancellationToken) =>
        SendAsync<RecoveryView>(HttpMethod.Post, $"recoveries/{id}/approval", new RecoveryApproval(signature), cancellationToken);

    /// <summary>The keys, for the operator who requested them and the station where he did.</summary>
    public Task<RecoveredKeys> CollectRecoveryAsync(string id, CancellationToken cancellationToken) =>
        SendAsync<RecoveredKeys>(HttpMethod.Post, $"recoveries/{id}/keys", null, cancellationToken);

    public void Dispose() => _client.Dispose();

    private Task<CardView> WithReasonAsync(string id, string what, string reason, CancellationToken cancellationToken) =>
        OnCardAsync<CardView>(id, what, new OperatorReason(reason), cancellationToken);

    private Task<T> OnCardAsync<T>(string id, string what, object? body, CancellationToken cancellationToken) =>
        SendAsync<T>(HttpMethod.Post, $"cards/{id}/{what}", body, cancellationToken);

    private async Task<T> SendAsync<T>(HttpMethod method, string path, object? body, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(method, path, body, cancellationToken);
        return await ReadAsync<T>(response, cancellationToken);
    }

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, object? body, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, "/operator/v1/" + path);
        if (_token is { } token)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        if (method == HttpMethod.Post)
            request.Content = body is null ? JsonContent.Create(new { }) : JsonContent.Create(body, body.GetType());
        var response = await PinnedHttp.AskAsync(_client, request, cancellationToken);
        if (response.IsSuccessStatusCode)
            return response;
        using (response)
        {
            throw response.StatusCode switch
            {
                HttpStatusCode.Unauthorized => new SessionEndedException((await ReadAsync<OperatorRefusal>(response, cancellationToken)).Reason),
                HttpStatusCode.Forbidden or HttpStatusCode.Conflict => new AdministrationException((await ReadAsync<OperatorRefusal>(response, cancellationToken)).Reason),
                var other => (Exception)new KdcUnavailableException($"The KDC has no answer now (status {(int)other})."),
            };
        }
    }

    private static async Task<T> ReadAsync<T>(HttpResponseMessage response, CancellationToken cancellationToken)
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
}

/// <summary>The session is over; the message says why.</summary>
public sealed class SessionEndedException(string message) : Exception(message);
