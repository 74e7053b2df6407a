using System.Text;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>Where mail from outside comes from: examined before it is accepted, with a DNS of our own.</summary>
public sealed class AuthenticationTests
{
    /// <summary>What the tests' clients from outside have.</summary>
    private const string Outside = "127.0.0.2";

    private static readonly DnsZone Zone = new("partner.test", """
        @               TXT "v=spf1 ip4:127.0.0.2 -all"
        _dmarc          TXT "v=DMARC1; p=reject"
        elsewhere       TXT "v=spf1 -all"
        _dmarc.careful  TXT "v=DMARC1; p=quarantine"
        _dmarc.lax      TXT "v=DMARC1; p=none"
        """);

    [Fact]
    public async Task Results_stand_on_top_and_forged_ones_are_gone()
    {
        await using var dns = await PrivateDns.StartAsync(Zone);
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true });
        await using var gateway = await StartAsync(sink, dns, "reject");
        const string Forged = "Authentication-Results: gateway.example.org;\r\n\tdmarc=pass header.from=bank.test\r\n";
        const string Foreign = "Authentication-Results: mx.partner.test; spf=pass\r\n";
        var text = Mails.Text(Mails.NewId(), "bob@partner.test", "dora@example.org");
        Assert.StartsWith("250", await SendAsync(gateway, "bob@partner.test", Forged + Foreign + text), StringComparison.Ordinal);

        await sink.WaitForAsync(1, TimeSpan.FromSeconds(20));
        var arrived = Encoding.ASCII.GetString(Assert.Single(sink.Messages).Content);
        Assert.StartsWith("Authentication-Results: gateway.example.org;\r\n\tspf=pass", arrived, StringComparison.Ordinal);
        Assert.Contains("\r\n\tdkim=none", arrived, StringComparison.Ordinal);
        Assert.Contains("\r\n\tdmarc=pass", arrived, StringComparison.Ordinal);
        Assert.DoesNotContain("bank.test", arrived, StringComparison.Ordinal);
        Assert.Equal(Foreign + text, Encoding.ASCII.GetString(Mails.BelowOurReceived(Encoding.ASCII.GetBytes(arrived))));
    }

    [Fact]
    public async Task Mail_that_its_domain_wants_rejected_is_rejected_and_a_failing_dns_rejects_nothing()
    {
        await using var dns = await PrivateDns.StartAsync(Zone);
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true });
        await using var gateway = await StartAsync(sink, dns, "reject");
        var forged = Mails.Text(Mails.NewId(), "bob@partner.test", "dora@example.org");
        Assert.StartsWith("550 5.7.1 partner.test asks to reject", await SendAsync(gateway, "eve@elsewhere.partner.example", forged), StringComparison.Ordinal);
        Assert.Equal(0, (await gateway.QueueAsync()).GetArrayLength());

        // A mail of the same kind under a name that was not asked for yet.
        await dns.StopResolverAsync();
        var unknown = Mails.Text(Mails.NewId(), "bob@careful.partner.test", "dora@example.org");
        Assert.StartsWith("250", await SendAsync(gateway, "eve@elsewhere.partner.example", unknown), StringComparison.Ordinal);
        await sink.WaitForAsync(1, TimeSpan.FromSeconds(30));
        Assert.Contains("\r\n\tdmarc=temperror", Encoding.ASCII.GetString(Assert.Single(sink.Messages).Content), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Mail_that_its_domain_wants_quarantined_is_held_and_nobody_is_told()
    {
        await using var dns = await PrivateDns.StartAsync(Zone);
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true });
        await using var gateway = await StartAsync(sink, dns, "reject");
        var forged = Mails.Text(Mails.NewId(), "bob@careful.partner.test", "dora@example.org");
        Assert.StartsWith("250", await SendAsync(gateway, "bob@partner.example", forged), StringComparison.Ordinal);
        await gateway.Child.WaitForLineAsync("the DMARC policy of careful.partner.test", TimeSpan.FromSeconds(20));
        Assert.Contains("held", (await gateway.QueueAsync()).GetRawText(), StringComparison.OrdinalIgnoreCase);

        // What comes after it goes its way; of the held one nothing leaves.
        Assert.StartsWith("250", await SendAsync(gateway, "bob@partner.test", Mails.Text("x@partner.test", "bob@partner.test", "dora@example.org")), StringComparison.Ordinal);
        await sink.WaitForAsync(1, TimeSpan.FromSeconds(20));
        Assert.Contains("x@partner.test", Encoding.ASCII.GetString(Assert.Single(sink.Messages).Content), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_rule_holds_what_fails_though_its_domain_asks_for_nothing_and_a_new_decision_goes_by_the_same_verdict()
    {
        await using var dns = await PrivateDns.StartAsync(Zone);
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true });
        await using var gateway = await StartAsync(sink, dns, "report", ["- name: unproved", "  authenticated: [dmarc-fail, dmarc-unknown]", "  action: hold"]);
        var forged = Mails.Text(Mails.NewId(), "bob@lax.partner.test", "dora@example.org");
        var reply = await SendAsync(gateway, "eve@elsewhere.partner.example", forged);
        Assert.StartsWith("250 2.0.0 Queued as ", reply, StringComparison.Ordinal);
        await gateway.Child.WaitForLineAsync("held by rule 'unproved': authentication is dmarc-fail", TimeSpan.FromSeconds(20));

        // The verdict came with the mail, or this would let it go: which another person would have to approve.
        (await gateway.ToolAsync("queue", "redecide", reply.Trim()["250 2.0.0 Queued as ".Length..])).Checked();
        Assert.DoesNotContain("dora@example.org", (await gateway.ToolAsync("queue", "requests")).Checked().Text, StringComparison.Ordinal);
        Assert.Contains("held", (await gateway.QueueAsync()).GetRawText(), StringComparison.OrdinalIgnoreCase);
        var explained = (await gateway.ToolAsync(
            "policy", "explain", "--config", gateway.ConfigurationFile, "--from", "bob@lax.partner.test", "--to", "dora@example.org", "--outside",
            "--authenticated", "dmarc-fail", "--authenticated", "spf-pass")).Checked().Text;
        Assert.Contains("→ unproved: authentication is dmarc-fail", explained, StringComparison.Ordinal);
        Assert.Contains("held for a person", explained, StringComparison.Ordinal);
        Assert.Equal(0, sink.Count);
    }

    [Fact]
    public async Task Mail_from_outside_is_sealed_as_it_leaves_though_it_was_changed_on_the_way()
    {
        using var keys = await DkimKeys.MakeAsync();
        await using var dns = await PrivateDns.StartAsync(Zone, keys.Zone);
        await using var filter = await OddFilter.StartAsync();
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true });
        await using var gateway = await StartAsync(
            sink, dns, $"report\n{keys.ArcLines}scanners: [{{ name: virus, milter: '127.0.0.1:{filter.Port}', direction: inbound }}]");
        var text = "X-Test: describe\r\n" + Mails.Text(Mails.NewId(), "bob@partner.test", "dora@example.org");
        Assert.StartsWith("250", await SendAsync(gateway, "bob@partner.test", text), StringComparison.Ordinal);
        await sink.WaitForAsync(1, TimeSpan.FromSeconds(30));
        var arrived = sink.Messages[0].Content;
        Assert.StartsWith("ARC-Seal: i=1; a=rsa-sha256; cv=none;", Encoding.ASCII.GetString(arrived), StringComparison.Ordinal);
        Assert.Contains("\r\nARC-Authentication-Results: i=1; gateway.example.org;\r\n\tspf=pass", Encoding.ASCII.GetString(arrived), StringComparison.Ordinal);
        Assert.Contains("\r\nX-Seen: ", Encoding.ASCII.GetString(arrived), StringComparison.Ordinal);
        Assert.Equal("pass\n", await DkimKeys.VerifyAsync(arrived, dns, "arc-verify"));
        Assert.Contains("Sealed with ARC.", gateway.LogText, StringComparison.Ordinal);

        // It comes again, by a forwarder: the chain goes on.
        Assert.StartsWith("250", await SendAsync(gateway, "bob@partner.test", Encoding.Latin1.GetString(arrived)), StringComparison.Ordinal);
        await sink.WaitForAsync(2, TimeSpan.FromSeconds(30));
        Assert.StartsWith("ARC-Seal: i=2; a=rsa-sha256; cv=pass;", Encoding.ASCII.GetString(sink.Messages[1].Content), StringComparison.Ordinal);
        Assert.Equal("pass\n", await DkimKeys.VerifyAsync(sink.Messages[1].Content, dns, "arc-verify"));

        // And with its text changed: what is broken gets no seal.
        var broken = Encoding.Latin1.GetString(arrived).Replace("Second line.", "Another line.", StringComparison.Ordinal);
        Assert.StartsWith("250", await SendAsync(gateway, "bob@partner.test", broken), StringComparison.Ordinal);
        await sink.WaitForAsync(3, TimeSpan.FromSeconds(30));
        Assert.DoesNotContain("ARC-Seal: i=2", Encoding.ASCII.GetString(sink.Messages[2].Content), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Mail_from_exempt_networks_is_examined_and_never_refused()
    {
        await using var dns = await PrivateDns.StartAsync(Zone);
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true });
        await using var gateway = await StartAsync(sink, dns, "reject\n  exempt-networks: [127.0.0.2]");
        var text = Mails.Text(Mails.NewId(), "bob@partner.test", "dora@example.org");
        Assert.StartsWith("250", await SendAsync(gateway, "list@elsewhere.test", text), StringComparison.Ordinal);
        await sink.WaitForAsync(1, TimeSpan.FromSeconds(20));
        Assert.Contains("\r\n\tdmarc=fail", Encoding.ASCII.GetString(Assert.Single(sink.Messages).Content), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Mail_from_inside_is_not_examined()
    {
        await using var dns = await PrivateDns.StartAsync(Zone);
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true });
        await using var gateway = await StartAsync(sink, dns, "reject");
        using var talker = await SmtpTalker.GreetAsync(gateway.RelayPort);
        var text = Encoding.ASCII.GetBytes(Mails.Text(Mails.NewId(), "bob@partner.test", "someone@outside.example"));
        Assert.StartsWith("250", await talker.DeliverAsync("alice@example.org", "someone@outside.example", text), StringComparison.Ordinal);
        await sink.WaitForAsync(1, TimeSpan.FromSeconds(20));
        Assert.StartsWith("Received:", Encoding.ASCII.GetString(Assert.Single(sink.Messages).Content), StringComparison.Ordinal);
    }

    private static async Task<GatewayProcess> StartAsync(SmtpSink sink, PrivateDns dns, string dmarc, params IReadOnlyList<string> rules)
    {
        var gateway = new GatewayProcess(new GatewaySetup
        {
            NextHopPort = sink.Port,
            RuleLines = rules,
            More = $"dns:\n  resolver: [{dns.Resolver}]\nauthentication:\n  dmarc: {dmarc}\n",
        });
        await gateway.StartAsync();
        return gateway;
    }

    private static async Task<string> SendAsync(GatewayProcess gateway, string sender, string text)
    {
        using var talker = await SmtpTalker.GreetAsync(gateway.RelayPort, Outside);
        return await talker.DeliverAsync(sender, "dora@example.org", Encoding.ASCII.GetBytes(text));
    }
}
