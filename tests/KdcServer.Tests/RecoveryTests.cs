using System.Net;
using System.Security.Cryptography;
using System.Text.Json.Nodes;

namespace GatewaySecure.KdcServer.Tests;

/// <summary>Keys of a lost card or of a leaver, over the wire: only by two operators' cards, only to a new card.</summary>
public sealed class RecoveryTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Two_operators_bring_an_old_encryption_key_to_a_new_card()
    {
        await using var kdc = await CardLifeTests.StartAsync();
        using var anna = await CardLifeTests.OperatorAsync(kdc);
        using var boris = await CardLifeTests.OperatorAsync(kdc, name: "Boris", addsUsers: false);
        using var lost = new WireCard(anna, "bob@example.org", "D276");
        await lost.IssueAsync();
        var old = WireCard.Octets(lost.Last, "escrowedKey");
        await lost.StandAsync("revoke", "lost");
        using var next = new WireCard(anna, "bob@example.org", "D278");
        await next.IssueAsync();

        var requested = await anna.AskAsync("recoveries", Body(next, lost.Text("holder")));
        var id = requested["id"]!.GetValue<string>();
        Assert.Contains("not approved", await anna.RefusedAsync(HttpStatusCode.Forbidden, $"recoveries/{id}/keys", []), StringComparison.Ordinal);
        var open = Assert.Single((await boris.AskAsync("recoveries")).AsArray())!;
        await boris.AskAsync($"recoveries/{id}/approval", Signed(boris, open));
        var keys = (await anna.AskAsync($"recoveries/{id}/keys", []))["keys"]!.AsArray();
        var key = Assert.Single(keys)!;
        using var recovered = RSA.Create();
        recovered.ImportPkcs8PrivateKey(next.Open(WireCard.Octets(key, "key")), out _);
        Assert.Equal(old, recovered.ExportSubjectPublicKeyInfo());
        Assert.NotNull(key["certificate"]);
        Assert.Contains("already", await anna.RefusedAsync(HttpStatusCode.Forbidden, $"recoveries/{id}/keys", []), StringComparison.Ordinal);
        var lines = (await kdc.Keys.Database.Audit.ReadAsync(1, 1000, Cancel)).Where(l => l.Action.StartsWith("recovery.", StringComparison.Ordinal)).ToList();
        Assert.Equal(["recovery.request", "recovery.approve", "recovery.release"], lines.Select(l => l.Action));
        Assert.Equal([anna.Id.ToString(), boris.Id.ToString(), anna.Id.ToString()], lines.Select(l => l.Actor));
        Assert.Contains("reason=the holder needs his old mail", lines[0].Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_operator_alone_another_station_and_a_revoked_second_get_nothing()
    {
        await using var kdc = await CardLifeTests.StartAsync();
        using var anna = await CardLifeTests.OperatorAsync(kdc);
        using var boris = await CardLifeTests.OperatorAsync(kdc, name: "Boris", addsUsers: false);
        using var leaver = new WireCard(anna, "carol@example.org", "D276");
        await leaver.IssueAsync();
        using var card = new WireCard(anna, "bob@example.org", "D278");
        await card.IssueAsync();
        Assert.Contains("reason is needed", await anna.RefusedAsync(
            HttpStatusCode.Forbidden, "recoveries", new JsonObject { ["principal"] = leaver.Text("holder"), ["card"] = card.Id, ["reason"] = " " }), StringComparison.Ordinal);
        // What the card has already is no recovery.
        Assert.Contains("Nothing of", await anna.RefusedAsync(HttpStatusCode.Forbidden, "recoveries", Body(card, card.Text("holder"))), StringComparison.Ordinal);

        var requested = await anna.AskAsync("recoveries", Body(card, leaver.Text("holder")));
        var id = requested["id"]!.GetValue<string>();
        Assert.Contains("two operators", await anna.RefusedAsync(HttpStatusCode.Forbidden, $"recoveries/{id}/approval", Signed(anna, requested)), StringComparison.Ordinal);
        var open = Assert.Single((await boris.AskAsync("recoveries")).AsArray())!;
        // His card's signature under something else, or the requester's under this.
        var other = (JsonObject)open.DeepClone();
        other["text"] = open["text"]!.GetValue<string>().Replace("old mail", "new mail", StringComparison.Ordinal);
        Assert.Contains("not one of your card", await boris.RefusedAsync(HttpStatusCode.Forbidden, $"recoveries/{id}/approval", Signed(boris, other)), StringComparison.Ordinal);
        Assert.Contains("not one of your card", await boris.RefusedAsync(HttpStatusCode.Forbidden, $"recoveries/{id}/approval", Signed(anna, open)), StringComparison.Ordinal);
        await boris.AskAsync($"recoveries/{id}/approval", Signed(boris, open));
        Assert.Contains("who requested them", await boris.RefusedAsync(HttpStatusCode.Forbidden, $"recoveries/{id}/keys", []), StringComparison.Ordinal);

        await kdc.Operator.RevokeAsync(boris.Id, "dismissed", Cancel);
        Assert.Contains("is revoked", await anna.RefusedAsync(HttpStatusCode.Forbidden, $"recoveries/{id}/keys", []), StringComparison.Ordinal);
    }

    private static JsonObject Body(WireCard card, string principal) => new()
    {
        ["principal"] = principal, ["card"] = card.Id, ["reason"] = "the holder needs his old mail",
    };

    private static JsonObject Signed(StationOperator by, JsonNode recovery) => new()
    {
        ["signature"] = Convert.ToBase64String(by.Sign(recovery["text"]!.GetValue<string>())),
    };
}
