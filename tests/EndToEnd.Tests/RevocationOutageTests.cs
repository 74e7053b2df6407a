using System.Text;
using System.Text.Json;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>Revocation lists that come late, not at all, or with bad news: no mail is doubled, none stuck without a reason, none sent to who is revoked.</summary>
public sealed class RevocationOutageTests
{
    private const string Recipient = "carol@partner.example";
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Mail_waits_for_the_list_goes_once_when_it_is_there_and_stops_for_who_is_revoked()
    {
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true });
        await using var server = await HttpHost.StartAsync();
        using var partner = new Partner(new Uri(server.Address, "partner.crl"), Recipient);
        await using var gateway = await StartAsync(sink, partner, "  revocation: required\n  fetch:\n    private-addresses: true\n  notify: officer@example.org\n");

        await SendAsync(gateway, 3);
        await WaitForReasonAsync(gateway, "No revocation list that can be used is at hand for CN=Partner CA", 3);
        Assert.Equal("", string.Join("\n", sink.Messages.Select(m => Encoding.UTF8.GetString(m.Content))));
        await WaitForAsync(async () => (await gateway.ToolAsync("crl", "list")) is { ExitCode: 1 } listed && listed.Text.Contains("it answers 404", StringComparison.Ordinal));

        server.Serve(partner.List(revoked: false));
        var refreshed = (await gateway.ToolAsync("crl", "refresh")).Checked();
        Assert.Contains("A new list of CN=Partner CA: 0 revoked", refreshed.Text, StringComparison.Ordinal);
        await sink.WaitForAsync(3, s_patience);
        await WaitForEmptyQueueAsync(gateway);
        Assert.Equal(3, sink.Messages.Count);
        (await gateway.ToolAsync("crl", "list")).Checked();

        // Bad news: held with the reason from the next mail on, and told to the officer.
        server.Serve(partner.List(revoked: true), "\"2\"");
        (await gateway.ToolAsync("crl", "refresh", new Uri(server.Address, "partner.crl").AbsoluteUri)).Checked();
        var shown = (await gateway.ToolAsync("crl", "show", new Uri(server.Address, "partner.crl").AbsoluteUri, "--serial", partner.Serial)).Checked();
        Assert.Contains("revoked on", shown.Text, StringComparison.Ordinal);
        await SendAsync(gateway, 1);
        await WaitForReasonAsync(gateway, "It was revoked on", 1);
        Assert.DoesNotContain(sink.Messages.Skip(3), m => m.Recipients.Contains(Recipient));
        await gateway.ToolAsync("jobs", "run", "certificates");
        await WaitForAsync(() => sink.Messages.Any(m => m.Recipients.Contains("officer@example.org")));
        var notice = Encoding.UTF8.GetString(sink.Messages.First(m => m.Recipients.Contains("officer@example.org")).Content);
        Assert.Contains($"Nothing is encrypted to the certificate of {Recipient}", notice, StringComparison.Ordinal);
        Assert.Contains("Auto-Submitted: auto-generated", notice, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_revocation_that_comes_while_mail_waits_for_its_host_stops_it()
    {
        var port = Loopback.FreePort();
        await using var server = await HttpHost.StartAsync();
        using var partner = new Partner(Recipient);
        server.Serve(partner.List(revoked: false));
        await using var gateway = new GatewayProcess(new GatewaySetup
        {
            NextHopPort = port,
            More = $"certificates:\n  authorities:\n    - name: CN=Partner CA\n      revocation: required\n      crls: [{server.Address}]\n",
        });
        partner.TellAuthority(gateway);
        partner.TellCertificate(gateway);
        await gateway.StartAsync();
        (await gateway.ToolAsync("crl", "refresh")).Checked();
        await SendAsync(gateway, 1);
        await WaitForReasonAsync(gateway, "refused", 1);
        server.Serve(partner.List(revoked: true), "\"2\"");
        (await gateway.ToolAsync("crl", "refresh")).Checked();
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true }, port);
        await WaitForReasonAsync(gateway, "It was revoked on", 1);
        Assert.DoesNotContain(sink.Messages, m => m.Recipients.Contains(Recipient));
    }

    [Fact]
    public async Task After_a_restart_the_last_good_list_serves_through_an_outage_for_its_grace_and_no_longer()
    {
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true });
        var server = await HttpHost.StartAsync();
        using var partner = new Partner(new Uri(server.Address, "partner.crl"), Recipient);
        server.Serve(partner.List(revoked: false, until: TimeSpan.FromSeconds(5)));
        await using var gateway = await StartAsync(
            sink, partner, "  revocation: required\n  grace: 20s\n  wait: 1s\n  fetch:\n    private-addresses: true\n");
        (await gateway.ToolAsync("crl", "refresh")).Checked();
        await server.DisposeAsync();
        await gateway.Child.KillAsync();
        await gateway.StartAsync();
        await Task.Delay(TimeSpan.FromSeconds(5), TestContext.Current.CancellationToken);
        await SendAsync(gateway, 1);
        await sink.WaitForAsync(1, s_patience);
        await WaitForEmptyQueueAsync(gateway);

        // The directory answers for five minutes what it found out; a restart asks anew, after the grace.
        await gateway.Child.KillAsync();
        await Task.Delay(TimeSpan.FromSeconds(18), TestContext.Current.CancellationToken);
        await gateway.StartAsync();
        await SendAsync(gateway, 1);
        // Without patience it is not deferred but what the rule says: held.
        await WaitForReasonAsync(gateway, "is out of date since", 1);
        await WaitForAsync(async () => (await gateway.QueueAsync()).EnumerateArray().Any(l =>
            l.GetProperty("recipient").GetString() == Recipient && l.GetProperty("state").GetString() == "held"));
    }

    [Fact]
    public async Task Jobs_are_listed_paused_and_resumed_and_stand_in_the_audit()
    {
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true });
        using var partner = new Partner(Recipient);
        await using var gateway = await StartAsync(sink, partner, "  fetch: { crls: ['http://127.0.0.1:9/none.crl'], timeout: 2s }\n");
        var names = (await JobsAsync(gateway)).Select(j => j.GetProperty("name").GetString()).ToArray();
        Assert.Equal(["certificates", "crl http://127.0.0.1:9/none.crl", "mta-sts"], names);
        var failed = await gateway.ToolAsync("jobs", "run", "crl *");
        Assert.Equal(1, failed.ExitCode);
        Assert.Contains("1 ran, 1 of them without success.", failed.Text, StringComparison.Ordinal);
        (await gateway.ToolAsync("jobs", "pause", "mta-sts")).Checked();
        await gateway.Child.KillAsync();
        await gateway.StartAsync();
        Assert.True((await JobsAsync(gateway)).Single(j => j.GetProperty("name").GetString() == "mta-sts").GetProperty("isPaused").GetBoolean());
        (await gateway.ToolAsync("jobs", "resume", "mta-sts")).Checked();
        var unknown = await gateway.ToolAsync("jobs", "run", "nothing");
        Assert.Contains("There is no job 'nothing'", unknown.Error, StringComparison.Ordinal);
        var audit = (await gateway.ToolAsync("audit", "show")).Checked().Text;
        Assert.All(new[] { "job.run", "job.pause", "job.resume" }, action => Assert.Contains(action, audit, StringComparison.Ordinal));
        await gateway.Child.StopAsync();
        Assert.Contains("No gateway runs", (await gateway.ToolAsync("jobs", "list")).Error, StringComparison.Ordinal);
    }

    private static async Task<JsonElement[]> JobsAsync(GatewayProcess gateway) =>
        [.. JsonDocument.Parse((await gateway.ToolAsync("jobs", "list", "--json")).Checked().Output).RootElement.EnumerateArray()];

    private static async Task<GatewayProcess> StartAsync(SmtpSink sink, Partner partner, string certificates)
    {
        var gateway = new GatewayProcess(new GatewaySetup { NextHopPort = sink.Port, More = "certificates:\n" + certificates });
        partner.TellAuthority(gateway);
        partner.TellCertificate(gateway);
        await gateway.StartAsync();
        return gateway;
    }

    private static async Task SendAsync(GatewayProcess gateway, int count)
    {
        using var talker = await SmtpTalker.GreetAsync(gateway.RelayPort);
        for (var i = 0; i < count; i++)
        {
            var text = Mails.Text(Mails.NewId(), "alice@example.org", Recipient);
            Assert.StartsWith("250", await talker.DeliverAsync("alice@example.org", Recipient, Encoding.ASCII.GetBytes(text)), StringComparison.Ordinal);
        }
    }

    private static Task WaitForEmptyQueueAsync(GatewayProcess gateway) =>
        WaitForAsync(async () => (await gateway.QueueAsync()).GetArrayLength() == 0);

    private static Task WaitForReasonAsync(GatewayProcess gateway, string reason, int count) => WaitForAsync(async () =>
        (await gateway.QueueAsync()).EnumerateArray().Count(l =>
            l.TryGetProperty("reason", out var r) && r.GetString()!.Contains(reason, StringComparison.Ordinal)) == count,
        async () => $"{count} times '{reason}': {await gateway.QueueAsync()}\n{gateway.LogText}");

    private static Task WaitForAsync(Func<bool> condition) => WaitForAsync(() => Task.FromResult(condition()));

    private static async Task WaitForAsync(Func<Task<bool>> condition, Func<Task<string>>? otherwise = null)
    {
        using var patience = new CancellationTokenSource(s_patience);
        while (!await condition())
        {
            if (patience.IsCancellationRequested)
                Assert.Fail(otherwise is null ? "It did not come." : await otherwise());
            await Task.Delay(200, TestContext.Current.CancellationToken);
        }
    }
}
