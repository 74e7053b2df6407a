using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using GatewaySecure.TestKit;

namespace GatewaySecure.KdcServer.Tests;

/// <summary>The exchange with a running server, by code that knows docs/formats/kdc-mail.md and nothing of the product.</summary>
public sealed class WireExchangeTests
{
    private const int Card = 1;
    private const int Auth = 2;

    [Fact]
    public async Task A_users_card_gets_tickets_and_the_recipients_card_opens_its_own()
    {
        await using var kdc = await RunningKdc.StartAsync();
        var alice = await kdc.AddUserAsync("alice");
        var bob = await kdc.AddUserAsync("bob");
        var answer = await alice.RequestAsync(kdc.Client(), "alice@example.org", Card, "bob@example.org", "alice@example.org");
        Assert.Equal(WireAnswer.Issued, answer.Tag);
        var half = alice.OpenReply(answer)!;
        Assert.Equal(half.SessionKey, bob.OpenTicket(answer.Tickets[0]));
        Assert.Equal(half.SessionKey, alice.OpenTicket(answer.Tickets[1]));
        Assert.Null(bob.OpenTicket(answer.Tickets[1]));
    }

    [Fact]
    public async Task A_gateway_needs_its_certificate_as_well_as_its_key()
    {
        using var pki = new ServerPki();
        using var certificate = pki.Client(null, "gateway.example.org");
        using var another = pki.Client(null, "gateway.example.org");
        await using var kdc = await RunningKdc.StartAsync();
        var gateway = await kdc.AddGatewayAsync("gateway", certificate);
        await kdc.AddUserAsync("alice");
        await kdc.AddUserAsync("bob");

        var good = await gateway.RequestAsync(kdc.Client(certificate), "alice@example.org", Auth, "bob@example.org");
        Assert.Equal(WireAnswer.Issued, good.Tag);
        foreach (var client in new[] { kdc.Client(), kdc.Client(another) })
        {
            var refused = await gateway.RequestAsync(client, "alice@example.org", Auth, "bob@example.org");
            Assert.Equal(WireAnswer.Refused, refused.Tag);
            Assert.Contains("certificate", refused.Reason, StringComparison.Ordinal);
        }
        // A challenge that was got with the certificate does not help without it.
        var challenge = await gateway.AskChallengeAsync(kdc.Client(certificate));
        var request = gateway.TicketRequest(challenge.Content, "alice@example.org", ["bob@example.org"], Auth, WireHolder.Commitment());
        Assert.Equal(WireAnswer.Refused, (await WireHolder.PostAsync(kdc.Client(another), "tickets", request)).Tag);
    }

    [Fact]
    public async Task The_certificate_alone_is_not_enough()
    {
        using var pki = new ServerPki();
        using var certificate = pki.Client(null, "gateway.example.org");
        await using var kdc = await RunningKdc.StartAsync();
        var gateway = await kdc.AddGatewayAsync("gateway", certificate);
        await kdc.AddUserAsync("alice");
        await kdc.AddUserAsync("bob");
        var wrongKey = gateway with { Key = new byte[32] };
        var refused = await wrongKey.RequestAsync(kdc.Client(certificate), "alice@example.org", Auth, "bob@example.org");
        Assert.Equal(WireAnswer.Refused, refused.Tag);
        Assert.Contains("not authenticated", refused.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Standing_and_preview_are_for_gateways_alone()
    {
        using var pki = new ServerPki();
        using var certificate = pki.Client(null, "gateway.example.org");
        await using var kdc = await RunningKdc.StartAsync();
        await kdc.AddGatewayAsync("gateway", certificate);
        var bob = await kdc.AddUserAsync("bob");
        var question = new { principal = Convert.ToHexStringLower(bob.Principal), address = "bob@example.org" };
        using var stranger = await kdc.Client().PostAsJsonAsync(new Uri("/kdc/v1/standing", UriKind.Relative), question, RunningKdc.Cancel);
        Assert.Equal(HttpStatusCode.Forbidden, stranger.StatusCode);

        async Task<string?> Standing()
        {
            using var answer = await kdc.Client(certificate).PostAsJsonAsync(new Uri("/kdc/v1/standing", UriKind.Relative), question, RunningKdc.Cancel);
            answer.EnsureSuccessStatusCode();
            return (await answer.Content.ReadFromJsonAsync<JsonElement>(RunningKdc.Cancel)).GetProperty("objection").GetString();
        }

        Assert.Null(await Standing());
        await kdc.Operator.SuspendAsync(KdcCore.PrincipalId.FromOctets(bob.Principal), "on leave", RunningKdc.Cancel);
        Assert.Contains("on leave", await Standing(), StringComparison.Ordinal);
    }
}
