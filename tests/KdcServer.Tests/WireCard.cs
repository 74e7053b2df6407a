using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;

namespace GatewaySecure.KdcServer.Tests;

/// <summary>A card with an AES slot on its way through issuing, by JSON and keys in software: each step as a station would do it.</summary>
internal sealed class WireCard(StationOperator by, string address, string serial, string kind = "OpenPgp") : IDisposable
{
    private readonly ECDsa _sign = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly ECDsa _authenticate = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public string Id { get; private set; } = "";

    public JsonNode Last { get; private set; } = new JsonObject();

    public byte[] MasterKey { get; private set; } = [];

    public int Kvno => Last["kvno"]!.GetValue<int>();

    public string Text(string name) => Last[name]!.GetValue<string>();

    public async Task OrderAsync(DateTimeOffset? until = null)
    {
        Last = await by.AskAsync("cards", Order(until));
        Id = Text("id");
    }

    public JsonObject Order(DateTimeOffset? until = null) => new()
    {
        ["address"] = address, ["serial"] = serial, ["kind"] = kind, ["hasAesSlot"] = true, ["algorithm"] = "Rsa2048", ["until"] = until,
    };

    public Task KeysAsync() => StepAsync("keys", new JsonObject
    {
        ["keys"] = new JsonArray(Key("Sign", _sign.ExportSubjectPublicKeyInfo()), Key("Authenticate", _authenticate.ExportSubjectPublicKeyInfo())),
    });

    /// <summary>PKCS #8 of the encryption key, as the station would bring it to the card.</summary>
    public async Task<byte[]> FetchEncryptionKeyAsync() => Open(Octets(await by.AskAsync($"cards/{Id}/encryption-key", []), "key"));

    public async Task ImportAsync()
    {
        using var key = RSA.Create();
        key.ImportPkcs8PrivateKey(await FetchEncryptionKeyAsync(), out _);
        Assert.Equal(Octets(Last, "escrowedKey"), key.ExportSubjectPublicKeyInfo());
        await StepAsync("imported", []);
    }

    public Task CertifyAsync() => StepAsync("certificates", Requests());

    public JsonObject Requests() => new()
    {
        ["requests"] = new JsonArray(Request("Sign", _sign), Request("Authenticate", _authenticate)),
    };

    public async Task SetCodesAsync()
    {
        await StepAsync("codes-begun", []);
        await StepAsync("codes-set", []);
    }

    public async Task FetchMasterKeyAsync() =>
        MasterKey = by.Station.Decrypt(Octets(await by.AskAsync($"cards/{Id}/master-key", []), "key"), RSAEncryptionPadding.OaepSHA1);

    public Task MasterKeyWrittenAsync() => StepAsync("master-key-written", []);

    public async Task FinishAsync() => Last = await by.AskAsync($"cards/{Id}/receipt", Receipt($"Card {serial} received. Issuing {Id}."));

    public JsonObject Receipt(string text) => new()
    {
        ["text"] = text,
        ["signature"] = Convert.ToBase64String(_sign.SignData(Encoding.UTF8.GetBytes(text), HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence)),
    };

    public async Task IssueAsync(DateTimeOffset? until = null)
    {
        await OrderAsync(until);
        await KeysAsync();
        await ImportAsync();
        await CertifyAsync();
        await SetCodesAsync();
        await FetchMasterKeyAsync();
        await MasterKeyWrittenAsync();
        await FinishAsync();
    }

    public Task StandAsync(string what, string reason = "a test") => StepAsync(what, new JsonObject { ["reason"] = reason });

    /// <summary>As a requester on the wire.</summary>
    public WireHolder Holder() => new("example.org", Convert.FromHexString(Text("holder")), Kvno, MasterKey);

    /// <summary>Serial numbers of its certificates.</summary>
    public string[] Certificates() =>
    [
        .. Last["keys"]!.AsArray().Select(k => k!["certificate"]).OfType<JsonNode>().Select(c =>
        {
            using var certificate = X509CertificateLoader.LoadCertificate(Convert.FromBase64String(c.GetValue<string>()));
            return certificate.SerialNumber;
        }),
    ];

    public byte[] Open(byte[] sealedKey)
    {
        var key = by.Station.Decrypt(sealedKey[..384], RSAEncryptionPadding.OaepSHA1);
        using var aes = Aes.Create();
        aes.SetKey(key);
        return aes.DecryptKeyWrapPadded(sealedKey.AsSpan(384));
    }

    public static byte[] Octets(JsonNode node, string name) => Convert.FromBase64String(node[name]!.GetValue<string>());

    public void Dispose()
    {
        _sign.Dispose();
        _authenticate.Dispose();
    }

    private async Task StepAsync(string step, JsonObject body) => Last = await by.AskAsync($"cards/{Id}/{step}", body);

    private static JsonObject Key(string use, byte[] spki) => new() { ["use"] = use, ["publicKey"] = Convert.ToBase64String(spki) };

    private static JsonObject Request(string use, ECDsa key) => new()
    {
        ["use"] = use,
        ["pkcs10"] = Convert.ToBase64String(new CertificateRequest("CN=whoever", key, HashAlgorithmName.SHA256).CreateSigningRequest()),
    };
}
