using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using GatewaySecure.KdcCore;

namespace GatewaySecure.KdcServer.Tests;

/// <summary>
/// An operator at a station, on the wire and by nothing of the product's own: keys in software in place of his card's and the station's, JSON in
/// place of the client.
/// </summary>
internal sealed class StationOperator : IDisposable
{
    private readonly RunningKdc _kdc;
    private readonly ECDsa _card = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly X509Certificate2 _certificate;

    private StationOperator(RunningKdc kdc, string name, RSA? station)
    {
        _kdc = kdc;
        Station = station ?? RSA.Create(3072);
        var request = new CertificateRequest($"CN={name}", _card, HashAlgorithmName.SHA256);
        _certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(30));
    }

    public static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public RSA Station { get; }

    public PrincipalId Id { get; private set; }

    public string? Token { get; set; }

    public byte[] TransportKey => Station.ExportSubjectPublicKeyInfo();

    public string CertificateHash => _certificate.GetCertHashString(HashAlgorithmName.SHA256);

    public byte[] Certificate => _certificate.RawData;

    public static async Task<StationOperator> AddAsync(RunningKdc kdc, string name, RSA? station = null, bool onRecord = true)
    {
        var added = new StationOperator(kdc, name, station);
        if (!onRecord)
            return added;
        var principal = await kdc.Operator.CreateAsync(PrincipalKind.Operator, name, [], [], null, Cancel);
        await kdc.Operator.SetCertificatesAsync(principal.Id, [added.CertificateHash], Cancel);
        added.Id = principal.Id;
        return added;
    }

    public byte[] Sign(string text) => _card.SignData(Encoding.UTF8.GetBytes(text), HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);

    public async Task<byte[]> ChallengeAsync() => Convert.FromBase64String((await AskAsync("challenge", new JsonObject()))["challenge"]!.GetValue<string>());

    /// <param name="server">Another server's certificate than this one's, for an attack.</param>
    public JsonObject LogOnBody(byte[] challenge, string? server = null)
    {
        var hash = server ?? _kdc.ServerCertificate.GetCertHashString(HashAlgorithmName.SHA256);
        var text = $"GatewaySecure/operator/log-on/1\nexample.org\n{hash.ToLowerInvariant()}\n{Convert.ToHexStringLower(challenge)}\n{Convert.ToHexStringLower(SHA256.HashData(TransportKey))}";
        return new JsonObject
        {
            ["challenge"] = Convert.ToBase64String(challenge),
            ["certificate"] = Convert.ToBase64String(Certificate),
            ["transportKey"] = Convert.ToBase64String(TransportKey),
            ["signature"] = Convert.ToBase64String(Sign(text)),
        };
    }

    public async Task<JsonNode> LogOnAsync()
    {
        var answer = await AskAsync("session", LogOnBody(await ChallengeAsync()));
        Token = answer["token"]!.GetValue<string>();
        return answer;
    }

    /// <summary>The JSON of a success.</summary>
    public async Task<JsonNode> AskAsync(string path, JsonObject? body = null)
    {
        using var response = await SendAsync(path, body);
        var text = await response.Content.ReadAsStringAsync(Cancel);
        Assert.True(response.IsSuccessStatusCode, $"{path}: {(int)response.StatusCode} {text}");
        return text.Length == 0 ? new JsonObject() : JsonNode.Parse(text)!;
    }

    /// <summary>The reason of a refusal with that status.</summary>
    public async Task<string> RefusedAsync(HttpStatusCode status, string path, JsonObject? body = null)
    {
        using var response = await SendAsync(path, body);
        var text = await response.Content.ReadAsStringAsync(Cancel);
        Assert.True(status == response.StatusCode, $"{path}: {(int)response.StatusCode} {text}");
        return JsonNode.Parse(text)!["reason"]!.GetValue<string>();
    }

    /// <param name="body">Null: GET.</param>
    public Task<HttpResponseMessage> SendAsync(string path, JsonObject? body) => SendRawAsync(path, body is null ? null : JsonContent.Create(body));

    public async Task<HttpResponseMessage> SendRawAsync(string path, HttpContent? content)
    {
        using var request = new HttpRequestMessage(content is null ? HttpMethod.Get : HttpMethod.Post, new Uri("/operator/v1/" + path, UriKind.Relative)) { Content = content };
        if (Token is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", Token);
        return await _kdc.Client().SendAsync(request, Cancel);
    }

    public void Dispose()
    {
        _card.Dispose();
        _certificate.Dispose();
    }
}
