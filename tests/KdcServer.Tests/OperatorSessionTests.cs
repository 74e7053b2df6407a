using System.Net;
using System.Text.Json.Nodes;
using GatewaySecure.KdcCore;
using GatewaySecure.KdcServer.Configuration;

namespace GatewaySecure.KdcServer.Tests;

/// <summary>Operators' sessions over the wire: what opens one, and all that ends one.</summary>
public sealed class OperatorSessionTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_card_opens_a_session_and_its_removal_ends_it_at_once()
    {
        await using var kdc = await RunningKdc.StartAsync();
        using var anna = await StationOperator.AddAsync(kdc, "Anna");
        Assert.Contains("no such session", await anna.RefusedAsync(HttpStatusCode.Unauthorized, "users?address=bob@example.org"), StringComparison.Ordinal);
        var session = await anna.LogOnAsync();
        Assert.Equal("Anna", session["operatorName"]!.GetValue<string>());
        Assert.True(session["forTrials"]!.GetValue<bool>());
        Assert.Empty((await anna.AskAsync("users?address=bob@example.org")).AsArray());
        await anna.AskAsync("users", new JsonObject { ["name"] = "Bob", ["address"] = "bob@example.org" });
        Assert.Single((await anna.AskAsync("users?address=bob@example.org")).AsArray());

        await anna.AskAsync("session/end", new JsonObject { ["reason"] = "the card was removed" });
        Assert.Equal("The session has ended: the card was removed.", await anna.RefusedAsync(HttpStatusCode.Unauthorized, "heartbeat", []));
        Assert.Equal("The session has ended: the card was removed.", await anna.RefusedAsync(HttpStatusCode.Unauthorized, "users?address=bob@example.org"));
        var lines = await kdc.Keys.Database.Audit.ReadAsync(1, 100, Cancel);
        Assert.Single(lines, l => l.Action == "operator.log-on" && l.Actor == anna.Id.ToString());
        Assert.Single(lines, l => l.Action == "principal.create" && l.Actor == anna.Id.ToString());
        Assert.Single(lines, l => l.Action == "operator.log-off" && l.Detail == "the card was removed");
        Assert.DoesNotContain(anna.Token!, kdc.LogText, StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_ends_when_heartbeats_stop_and_when_nothing_is_done()
    {
        await using var kdc = await RunningKdc.StartAsync(
            configure: c => c with { Operators = new OperatorsConfiguration(TimeSpan.FromMilliseconds(200), TimeSpan.FromSeconds(2)) });
        using var anna = await StationOperator.AddAsync(kdc, "Anna");
        await anna.LogOnAsync();
        // Nobody asks: the server finds out by itself, and says so in the audit.
        await EndedAsync(kdc, "the station was not heard any more");
        Assert.Contains("not heard", await anna.RefusedAsync(HttpStatusCode.Unauthorized, "heartbeat", []), StringComparison.Ordinal);

        await anna.LogOnAsync();
        while ((await anna.SendAsync("heartbeat", [])).IsSuccessStatusCode)
            await Task.Delay(100, Cancel);
        await EndedAsync(kdc, "nothing was done for too long");
    }

    [Fact]
    public async Task It_ends_with_the_operators_standing_his_certificate_and_his_next_log_on()
    {
        await using var kdc = await RunningKdc.StartAsync();
        using var anna = await StationOperator.AddAsync(kdc, "Anna");
        await anna.LogOnAsync();
        var first = anna.Token;
        Assert.True((await anna.LogOnAsync())["endedAnother"]!.GetValue<bool>());
        var second = anna.Token;
        anna.Token = first;
        Assert.Contains("logged on again", await anna.RefusedAsync(HttpStatusCode.Unauthorized, "heartbeat", []), StringComparison.Ordinal);
        anna.Token = second;
        await kdc.Operator.SuspendAsync(anna.Id, "on leave", Cancel);
        Assert.Contains("is suspended", await anna.RefusedAsync(HttpStatusCode.Unauthorized, "users?address=bob@example.org"), StringComparison.Ordinal);
        Assert.Contains("is suspended", await anna.RefusedAsync(HttpStatusCode.Forbidden, "session", anna.LogOnBody(await anna.ChallengeAsync())), StringComparison.Ordinal);
        await kdc.Operator.ResumeAsync(anna.Id, Cancel);
        await anna.LogOnAsync();
        await kdc.Operator.SetCertificatesAsync(anna.Id, [], Cancel);
        Assert.Contains("taken off", await anna.RefusedAsync(HttpStatusCode.Unauthorized, "heartbeat", []), StringComparison.Ordinal);
        Assert.Contains("not an operator's", await anna.RefusedAsync(HttpStatusCode.Forbidden, "session", anna.LogOnBody(await anna.ChallengeAsync())), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Of_log_ons_at_once_one_session_is_left()
    {
        await using var kdc = await RunningKdc.StartAsync();
        using var anna = await StationOperator.AddAsync(kdc, "Anna");
        var bodies = new List<JsonObject>();
        for (var i = 0; i < 8; i++)
            bodies.Add(anna.LogOnBody(await anna.ChallengeAsync()));
        var answers = await Task.WhenAll(bodies.Select(b => anna.AskAsync("session", b)));
        var alive = 0;
        foreach (var answer in answers)
        {
            anna.Token = answer["token"]!.GetValue<string>();
            using var heard = await anna.SendAsync("heartbeat", []);
            alive += heard.IsSuccessStatusCode ? 1 : 0;
        }
        Assert.Equal(1, alive);
    }

    [Fact]
    public async Task It_ends_when_the_cards_certificate_is_revoked()
    {
        await using var kdc = await RunningKdc.StartAsync();
        using var anna = await StationOperator.AddAsync(kdc, "Anna");
        await anna.LogOnAsync();
        await anna.AskAsync("heartbeat", []);
        var now = DateTimeOffset.FromUnixTimeSeconds(DateTimeOffset.UtcNow.ToUnixTimeSeconds());
        using var certificate = System.Security.Cryptography.X509Certificates.X509CertificateLoader.LoadCertificate(anna.Certificate);
        await kdc.Keys.Ports.Audit.AppendAsync(
            new AuditEntry(new AuditEvent(now, "certificate.revoke", "test", anna.Id.ToString(), certificate.SerialNumber))
            {
                Certificate = new CertificateRecord(
                    certificate.SerialNumber, anna.Id, CertificateUse.CardLogOn, anna.Certificate, now.AddDays(30), now, RevocationReason.KeyCompromise),
            },
            Cancel);
        Assert.Contains("certificate is revoked since", await anna.RefusedAsync(HttpStatusCode.Unauthorized, "heartbeat", []), StringComparison.Ordinal);
        Assert.Contains("is revoked since", await anna.RefusedAsync(HttpStatusCode.Forbidden, "session", anna.LogOnBody(await anna.ChallengeAsync())), StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_does_not_outlive_the_server()
    {
        await using var kdc = await RunningKdc.StartAsync();
        using var anna = await StationOperator.AddAsync(kdc, "Anna");
        await anna.LogOnAsync();
        await kdc.RestartAsync();
        Assert.Contains("no such session", await anna.RefusedAsync(HttpStatusCode.Unauthorized, "heartbeat", []), StringComparison.Ordinal);
        Assert.Single(await kdc.Keys.Database.Audit.ReadAsync(1, 100, Cancel), l => l is { Action: "operator.log-off", Detail: "the server stopped" });
    }

    [Fact]
    public async Task A_signature_is_good_once_for_one_server_and_one_station()
    {
        await using var kdc = await RunningKdc.StartAsync();
        using var anna = await StationOperator.AddAsync(kdc, "Anna");
        var body = anna.LogOnBody(await anna.ChallengeAsync());
        await anna.AskAsync("session", (JsonObject)body.DeepClone());
        Assert.Contains("used before", await anna.RefusedAsync(HttpStatusCode.Forbidden, "session", body), StringComparison.Ordinal);
        // What a middleman gets from a victim that believes in another server's certificate.
        var elsewhere = anna.LogOnBody(await anna.ChallengeAsync(), server: new string('a', 64));
        Assert.Contains("not one of this card for this server", await anna.RefusedAsync(HttpStatusCode.Forbidden, "session", elsewhere), StringComparison.Ordinal);
        // What somebody does who wants keys for a station of his own.
        var moved = anna.LogOnBody(await anna.ChallengeAsync());
        using var thief = System.Security.Cryptography.RSA.Create(3072);
        moved["transportKey"] = Convert.ToBase64String(thief.ExportSubjectPublicKeyInfo());
        Assert.Contains("not one of this card", await anna.RefusedAsync(HttpStatusCode.Forbidden, "session", moved), StringComparison.Ordinal);
        Assert.Contains("took too long", await anna.RefusedAsync(HttpStatusCode.Forbidden, "session", anna.LogOnBody(new byte[32])), StringComparison.Ordinal);
        Assert.Equal(3, (await kdc.Keys.Database.Audit.ReadAsync(1, 100, Cancel)).Count(l => l.Action == "operator.refused" && l.Actor == anna.Id.ToString()));
    }

    [Fact]
    public async Task A_card_that_is_on_no_operators_record_opens_nothing()
    {
        await using var kdc = await RunningKdc.StartAsync();
        using var stranger = await StationOperator.AddAsync(kdc, "Mallory", onRecord: false);
        Assert.Contains("not an operator's", await stranger.RefusedAsync(HttpStatusCode.Forbidden, "session", stranger.LogOnBody(await stranger.ChallengeAsync())), StringComparison.Ordinal);
        // A gateway's certificate is on record too, and is no operator's.
        await kdc.AddGatewayAsync("gateway", null);
        var gateway = (await kdc.Operator.ListAsync(Cancel)).Single(p => p.Kind == PrincipalKind.Gateway);
        await kdc.Operator.SetCertificatesAsync(gateway.Id, [stranger.CertificateHash], Cancel);
        Assert.Contains("not an operator's", await stranger.RefusedAsync(HttpStatusCode.Forbidden, "session", stranger.LogOnBody(await stranger.ChallengeAsync())), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_short_transport_key_opens_nothing()
    {
        await using var kdc = await RunningKdc.StartAsync();
        using var rsa = System.Security.Cryptography.RSA.Create(2048);
        using var anna = await StationOperator.AddAsync(kdc, "Anna", rsa);
        Assert.Contains("3072 bits", await anna.RefusedAsync(HttpStatusCode.Forbidden, "session", anna.LogOnBody(await anna.ChallengeAsync())), StringComparison.Ordinal);
    }

    private static async Task EndedAsync(RunningKdc kdc, string reason)
    {
        for (var i = 0; i < 100; i++)
        {
            if ((await kdc.Keys.Database.Audit.ReadAsync(1, 1000, Cancel)).Any(l => l.Action == "operator.log-off" && l.Detail == reason))
                return;
            await Task.Delay(100, Cancel);
        }
        Assert.Fail($"No session ended because {reason}.");
    }
}
