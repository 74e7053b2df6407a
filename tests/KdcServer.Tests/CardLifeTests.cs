using System.Net;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using GatewaySecure.Addresses;
using GatewaySecure.KdcCore;
using GatewaySecure.KdcServer.Operators;

namespace GatewaySecure.KdcServer.Tests;

/// <summary>A card's life as the KDC has it on record, over the wire.</summary>
public sealed class CardLifeTests
{
    private const int Card = 1;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_card_is_issued_step_by_step_and_asks_for_tickets()
    {
        await using var kdc = await StartAsync();
        using var anna = await OperatorAsync(kdc);
        using var bob = new WireCard(anna, "bob@example.org", "D276");
        await bob.IssueAsync();
        Assert.Equal(("Active", "Done", 1), (bob.Text("standing"), bob.Text("step"), bob.Kvno));
        Assert.Equal(3, bob.Certificates().Length);
        Assert.Null(bob.Last["codes"]);

        using var carol = new WireCard(anna, "carol@example.org", "D277");
        await carol.IssueAsync();
        var issued = await bob.Holder().RequestAsync(kdc.Client(), "bob@example.org", Card, "carol@example.org");
        Assert.Equal(WireAnswer.Issued, issued.Tag);
        Assert.Equal(bob.Holder().OpenReply(issued)!.SessionKey, carol.Holder().OpenTicket(issued.Tickets[0]));

        // What happened stands in the audit under the operator, and no key or code does.
        var lines = (await kdc.Keys.Database.Audit.ReadAsync(1, 1000, Cancel)).Where(l => l.Detail.Contains($"card={bob.Id} ", StringComparison.Ordinal) || l.Detail.EndsWith($"serial=D276", StringComparison.Ordinal)).ToList();
        Assert.Equal(
            ["card.order", "card.keys", "escrow.release", "card.imported", "card.certified", "card.codes-begun", "card.codes-set", "key.renew", "key.release", "card.master-key-written", "card.issue"],
            lines.Select(l => l.Action));
        Assert.All(lines, l => Assert.Equal(anna.Id.ToString(), l.Actor));
        Assert.Null(await kdc.Keys.Database.Audit.VerifyAsync(cancellationToken: Cancel));
    }

    [Fact]
    public async Task Every_step_may_be_done_again_and_nothing_is_made_twice()
    {
        await using var kdc = await StartAsync();
        using var anna = await OperatorAsync(kdc);
        using var bob = new WireCard(anna, "bob@example.org", "D276");
        foreach (var step in new Func<Task>[]
        {
            () => bob.OrderAsync(), bob.KeysAsync, bob.ImportAsync, bob.CertifyAsync, bob.SetCodesAsync, bob.FetchMasterKeyAsync, bob.MasterKeyWrittenAsync, bob.FinishAsync,
        })
        {
            await step();
            var (id, after) = (bob.Id, bob.Last.ToJsonString());
            var key = bob.MasterKey;
            // The answer got lost, or the station died and begins anew; the server too.
            await kdc.RestartAsync();
            await anna.LogOnAsync();
            await step();
            Assert.Equal((id, after), (bob.Id, bob.Last.ToJsonString()));
            if (key.Length > 0)
                Assert.Equal(key, bob.MasterKey);
        }
        var user = Assert.Single(await kdc.Operator.ListAsync(Cancel), p => p.Kind == PrincipalKind.User && p.Holds(MailAddress.Parse("bob@example.org"), DateTimeOffset.UtcNow));
        Assert.Equal(1, user.Kvno);
        Assert.Equal(3, (await kdc.Keys.Database.Certificates.OfAsync(user.Id, Cancel)).Length);
        Assert.Single(await kdc.Keys.Database.EscrowedKeys.OfAsync(user.Id, Cancel));
    }

    [Fact]
    public async Task Steps_out_of_order_and_other_keys_than_the_cards_are_refused()
    {
        await using var kdc = await StartAsync();
        using var anna = await OperatorAsync(kdc);
        using var bob = new WireCard(anna, "bob@example.org", "D276");
        await bob.OrderAsync();
        foreach (var early in new[] { "imported", "codes-begun", "codes-set", "master-key", "master-key-written", "encryption-key" })
            await anna.RefusedAsync(HttpStatusCode.Forbidden, $"cards/{bob.Id}/{early}", []);
        Assert.Contains("comes first", await anna.RefusedAsync(HttpStatusCode.Forbidden, $"cards/{bob.Id}/certificates", bob.Requests()), StringComparison.Ordinal);
        await bob.KeysAsync();
        await bob.ImportAsync();
        using var other = new WireCard(anna, "bob@example.org", "D276");
        Assert.Contains("another key", await anna.RefusedAsync(HttpStatusCode.Forbidden, $"cards/{bob.Id}/certificates", other.Requests()), StringComparison.Ordinal);
        await bob.CertifyAsync();
        await bob.SetCodesAsync();
        await bob.FetchMasterKeyAsync();
        await bob.MasterKeyWrittenAsync();
        Assert.Contains("receipt", await anna.RefusedAsync(HttpStatusCode.Forbidden, $"cards/{bob.Id}/receipt", other.Receipt($"Issuing {bob.Id}.")), StringComparison.Ordinal);
        Assert.Contains("receipt", await anna.RefusedAsync(HttpStatusCode.Forbidden, $"cards/{bob.Id}/receipt", bob.Receipt("Issuing of something else.")), StringComparison.Ordinal);
        await bob.FinishAsync();
        foreach (var nonsense in new[] { """{}""", """{"keys":null}""", """{"keys":[null]}""", """{"keys":[{"use":"Sign"}]}""", "[]", "1" })
        {
            using var request = new StringContent(nonsense, System.Text.Encoding.UTF8, "application/json");
            using var answer = await anna.SendRawAsync($"cards/{bob.Id}/keys", request);
            Assert.True((int)answer.StatusCode is 400 or 403, $"{nonsense}: {answer.StatusCode}");
        }
        foreach (var serial in new[] { "", "D2 card=x", "D2\nline", new string('1', 65) })
        {
            var order = bob.Order();
            order["serial"] = serial;
            await anna.RefusedAsync(HttpStatusCode.Forbidden, "cards", order);
        }
        // A card that is somebody's becomes nobody else's.
        using var thief = new WireCard(anna, "carol@example.org", "D276");
        Assert.Contains("bob's", await anna.RefusedAsync(HttpStatusCode.Forbidden, "cards", thief.Order()), StringComparison.Ordinal);
        Assert.Contains("no such card", await anna.RefusedAsync(HttpStatusCode.Forbidden, $"cards/{new string('0', 32)}/unblock", new JsonObject { ["reason"] = "x" }), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_suspended_card_asks_for_nothing_while_mail_to_its_holder_goes_on()
    {
        await using var kdc = await StartAsync();
        using var anna = await OperatorAsync(kdc);
        using var bob = new WireCard(anna, "bob@example.org", "D276");
        using var carol = new WireCard(anna, "carol@example.org", "D277");
        await bob.IssueAsync();
        await carol.IssueAsync();
        var holder = bob.Holder();
        await bob.StandAsync("suspend", "mislaid");
        var refused = await holder.RequestAsync(kdc.Client(), "bob@example.org", Card, "carol@example.org");
        Assert.Equal(WireAnswer.Refused, refused.Tag);
        Assert.Equal(WireAnswer.Issued, (await carol.Holder().RequestAsync(kdc.Client(), "carol@example.org", Card, "bob@example.org")).Tag);
        foreach (var serial in bob.Certificates())
            Assert.Equal(RevocationReason.CertificateHold, (await kdc.Keys.Database.Certificates.FindAsync(serial, Cancel))!.Reason);

        await bob.StandAsync("resume");
        Assert.Equal(WireAnswer.Issued, (await holder.RequestAsync(kdc.Client(), "bob@example.org", Card, "carol@example.org")).Tag);
        foreach (var serial in bob.Certificates())
            Assert.Null((await kdc.Keys.Database.Certificates.FindAsync(serial, Cancel))!.Reason);
    }

    [Fact]
    public async Task A_lost_card_is_worth_nothing_at_once_and_its_successor_opens_what_came_between()
    {
        await using var kdc = await StartAsync();
        using var anna = await OperatorAsync(kdc);
        using var lost = new WireCard(anna, "bob@example.org", "D276");
        using var carol = new WireCard(anna, "carol@example.org", "D277");
        await lost.IssueAsync();
        await carol.IssueAsync();
        var thief = lost.Holder();
        await lost.StandAsync("revoke", "lost in the train");
        Assert.NotEqual(WireAnswer.Issued, (await thief.RequestAsync(kdc.Client(), "bob@example.org", Card, "carol@example.org")).Tag);
        foreach (var serial in lost.Certificates())
            Assert.Equal(RevocationReason.KeyCompromise, (await kdc.Keys.Database.Certificates.FindAsync(serial, Cancel))!.Reason);
        var between = await carol.Holder().RequestAsync(kdc.Client(), "carol@example.org", Card, "bob@example.org");
        Assert.Equal(WireAnswer.Issued, between.Tag);

        using var next = new WireCard(anna, "bob@example.org", "D278");
        await next.IssueAsync();
        Assert.Equal(3, next.Kvno);
        var challenge = await next.Holder().AskChallengeAsync(kdc.Client());
        var exchanged = await WireHolder.PostAsync(kdc.Client(), "exchange", next.Holder().ExchangeRequest(challenge.Content, between.Tickets[0]));
        Assert.Equal(WireAnswer.Exchanged, exchanged.Tag);
        Assert.Equal(carol.Holder().OpenReply(between)!.SessionKey, next.Holder().OpenTicket(exchanged.Ticket()));
        var history = (await anna.AskAsync("cards?holder=bob@example.org")).AsArray();
        Assert.Equal(["Revoked", "Active"], history.Select(c => c!["standing"]!.GetValue<string>()));
    }

    [Fact]
    public async Task A_renewed_card_replaces_the_one_before_and_its_codes_change_each_time()
    {
        await using var kdc = await StartAsync();
        using var anna = await OperatorAsync(kdc);
        using var first = new WireCard(anna, "bob@example.org", "D276");
        await first.OrderAsync();
        var codes = first.Last["codes"]!.ToJsonString();
        await first.IssueAsync();
        Assert.Equal(codes, (await anna.AskAsync($"cards/{first.Id}/unblock", new JsonObject { ["reason"] = "three wrong PINs" })).ToJsonString());
        var old = first.Certificates();
        using var second = new WireCard(anna, "bob@example.org", "D276");
        await second.OrderAsync();
        Assert.NotEqual(codes, second.Last["codes"]!.ToJsonString());
        Assert.Equal(codes, second.Last["earlierCodes"]!.ToJsonString());
        await second.IssueAsync();
        Assert.Equal("Replaced", (await anna.AskAsync($"cards/{first.Id}"))["standing"]!.GetValue<string>());
        foreach (var serial in old)
            Assert.Equal(RevocationReason.Superseded, (await kdc.Keys.Database.Certificates.FindAsync(serial, Cancel))!.Reason);
        Assert.All(second.Certificates(), s => Assert.DoesNotContain(s, old));
    }

    [Fact]
    public async Task An_issuing_that_is_given_up_leaves_nothing_that_counts()
    {
        await using var kdc = await StartAsync();
        using var anna = await OperatorAsync(kdc);
        using var bob = new WireCard(anna, "bob@example.org", "D276");
        await bob.OrderAsync();
        await bob.KeysAsync();
        await bob.ImportAsync();
        await bob.CertifyAsync();
        await bob.SetCodesAsync();
        await bob.FetchMasterKeyAsync();
        await bob.StandAsync("abandon", "the card broke");
        foreach (var serial in bob.Certificates())
            Assert.NotNull((await kdc.Keys.Database.Certificates.FindAsync(serial, Cancel))!.Reason);
        await anna.RefusedAsync(HttpStatusCode.Forbidden, $"cards/{bob.Id}/master-key", []);
        using var carol = new WireCard(anna, "carol@example.org", "D276");
        await carol.IssueAsync();
        Assert.Equal("Active", carol.Text("standing"));
    }

    [Fact]
    public async Task Who_is_revoked_while_his_card_is_issued_gets_no_certificate_and_no_key()
    {
        await using var kdc = await StartAsync();
        using var anna = await OperatorAsync(kdc);
        using var bob = new WireCard(anna, "bob@example.org", "D276");
        await bob.OrderAsync();
        await bob.KeysAsync();
        await bob.ImportAsync();
        var user = PrincipalId.TryParse(bob.Text("holder"), out var id) ? id : default;
        await kdc.Operator.SuspendAsync(user, "on trial", Cancel);
        Assert.Contains("is suspended", await anna.RefusedAsync(HttpStatusCode.Forbidden, $"cards/{bob.Id}/certificates", bob.Requests()), StringComparison.Ordinal);
        await kdc.Operator.ResumeAsync(user, Cancel);
        await bob.CertifyAsync();
        await bob.SetCodesAsync();
        await kdc.Operator.RevokeAsync(user, "dismissed", Cancel);
        Assert.Contains("is revoked", await anna.RefusedAsync(HttpStatusCode.Forbidden, $"cards/{bob.Id}/master-key", []), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_temporary_card_ends_by_itself()
    {
        await using var kdc = await StartAsync();
        using var anna = await OperatorAsync(kdc);
        using var bob = new WireCard(anna, "bob@example.org", "D276");
        await anna.RefusedAsync(HttpStatusCode.Forbidden, "cards", bob.Order(DateTimeOffset.UtcNow.AddDays(-1)));
        await bob.IssueAsync(DateTimeOffset.UtcNow.AddSeconds(30));
        Assert.Equal("Active", bob.Text("standing"));
        var later = new ShiftedTime(TimeSpan.FromMinutes(1));
        await new CardStandings(new CardWork(kdc.Keys, new CardAuthority(null, null), kdc.Configuration, later)).ExpireAsync(Cancel);
        Assert.Equal("Expired", (await anna.AskAsync($"cards/{bob.Id}"))["standing"]!.GetValue<string>());
        Assert.NotEqual(WireAnswer.Issued, (await bob.Holder().RequestAsync(kdc.Client(), "bob@example.org", Card, "bob@example.org")).Tag);
    }

    [Fact]
    public async Task Where_escrow_is_forbidden_the_vault_makes_no_encryption_key()
    {
        await using var kdc = await StartAsync(escrow: false);
        using var anna = await OperatorAsync(kdc);
        using var bob = new WireCard(anna, "bob@example.org", "D276");
        await bob.OrderAsync();
        Assert.Empty(WireCard.Octets(bob.Last, "escrowedKey"));
        var user = PrincipalId.TryParse(bob.Text("holder"), out var id) ? id : default;
        Assert.Empty(await kdc.Keys.Database.EscrowedKeys.OfAsync(user, Cancel));
        Assert.Contains("Sign, Decipher, Authenticate", await anna.RefusedAsync(HttpStatusCode.Forbidden, $"cards/{bob.Id}/keys", new JsonObject { ["keys"] = new JsonArray() }), StringComparison.Ordinal);
    }

    internal static Task<RunningKdc> StartAsync(bool escrow = true) => RunningKdc.StartWithCaAsync(configure: c => c with { EscrowsEncryptionKeys = escrow });

    internal static async Task<StationOperator> OperatorAsync(RunningKdc kdc, RSA? station = null, string name = "Anna", bool addsUsers = true)
    {
        var anna = await StationOperator.AddAsync(kdc, name, station);
        await anna.LogOnAsync();
        foreach (var user in addsUsers ? (string[])["bob", "carol"] : [])
            await anna.AskAsync("users", new JsonObject { ["name"] = user, ["address"] = $"{user}@example.org" });
        return anna;
    }

    private sealed class ShiftedTime(TimeSpan by) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + by;
    }
}
