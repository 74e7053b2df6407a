using System.Text;
using System.Text.Json;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>One mail by each method: swaks → gateway → Postfix → Maildir, opened as its recipient would.</summary>
public sealed class MethodTests(GatewayFixture fixture)
{
    private readonly GatewayProcess _gateway = fixture.Gateway;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Normal_mail_arrives_as_the_same_bytes_below_our_Received()
    {
        var id = Mails.NewId();
        var text = Mails.Text(id, "alice@example.org", "someone@outside.example");
        (await fixture.SwaksAsync("someone@outside.example", text)).Checked();
        var arrived = await File.ReadAllBytesAsync(await fixture.DeliveredAsync(id), Cancel);
        // A Maildir has the system's line ends.
        Assert.Equal(text.ReplaceLineEndings("\n"), Encoding.UTF8.GetString(Mails.BelowOurReceived(arrived)));
    }

    [Fact]
    public async Task Ca_mail_is_opened_and_verified_by_openssl_and_told_nobody_else()
    {
        var id = Mails.NewId();
        var text = Mails.Text(id, "alice@example.org", GatewayFixture.PartnerAddress);
        (await fixture.SwaksAsync(GatewayFixture.PartnerAddress, text)).Checked();
        var file = await fixture.DeliveredAsync(id);
        var entity = await File.ReadAllTextAsync(await fixture.Partner.OpenAsync(file, _gateway), Cancel);
        var expected = "Content-Type: text/plain; charset=us-ascii" + text[text.IndexOf("\r\n\r\n", StringComparison.Ordinal)..];
        Assert.Contains(expected.ReplaceLineEndings("\n"), entity.ReplaceLineEndings("\n"), StringComparison.Ordinal);
        AssertToldNobody(await File.ReadAllBytesAsync(file, Cancel));
    }

    [Fact]
    public async Task Kdc_mail_is_opened_by_the_recipients_card_alone()
    {
        var id = Mails.NewId();
        var text = Mails.Text(id, "alice@example.org", "bob@example.org");
        (await fixture.SwaksAsync("bob@example.org", text)).Checked();
        var file = await fixture.DeliveredAsync(id);
        AssertToldNobody(await File.ReadAllBytesAsync(file, Cancel));
        Assert.DoesNotContain(Mails.Subject, await File.ReadAllTextAsync(file, Cancel), StringComparison.Ordinal);

        var clear = _gateway["kdc-clear.eml"];
        var wrong = await fixture.Bob.OpenAsync(file, clear, "999999");
        Assert.True(wrong.ExitCode == 3, wrong.All);
        Assert.False(File.Exists(clear));

        var stranger = await fixture.Alice.OpenAsync(file, clear);
        Assert.True(stranger.ExitCode == 5, stranger.All);
        Assert.False(File.Exists(clear));

        var opened = await fixture.Bob.OpenAsync(file, clear);
        Assert.True(opened.ExitCode == 0, opened.All);
        var said = JsonDocument.Parse(opened.Output).RootElement;
        Assert.Equal("kdc", said.GetProperty("method").GetString());
        Assert.Equal("alice@example.org", said.GetProperty("sender").GetString());
        var inner = (await File.ReadAllTextAsync(clear, Cancel)).ReplaceLineEndings("\n");
        Assert.EndsWith(text.ReplaceLineEndings("\n")[text.ReplaceLineEndings("\n").IndexOf("\n\n", StringComparison.Ordinal)..], inner, StringComparison.Ordinal);
        Assert.Contains($"Subject: {Mails.Subject}\n", inner, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tampered_kdc_mail_is_refused_and_nothing_is_written()
    {
        var id = Mails.NewId();
        (await fixture.SwaksAsync("bob@example.org", Mails.Text(id, "alice@example.org", "bob@example.org"))).Checked();
        var lines = await File.ReadAllLinesAsync(await fixture.DeliveredAsync(id), Cancel);
        // Within the ciphertext, which makes up the second half of the container.
        var header = Array.IndexOf(lines, "");
        var at = header + 1 + (lines.Length - header - 1) * 3 / 4;
        lines[at] = lines[at][..20] + (lines[at][20] == 'A' ? 'B' : 'A') + lines[at][21..];
        var tampered = _gateway["tampered.eml"];
        await File.WriteAllLinesAsync(tampered, lines, Cancel);
        var clear = _gateway["tampered-clear.eml"];
        var result = await fixture.Bob.OpenAsync(tampered, clear);
        Assert.True(result.ExitCode == 6, result.All);
        Assert.False(File.Exists(clear));
        Assert.DoesNotContain(Mails.Secret, result.All, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Explain_names_the_rule_that_the_mail_path_recorded_and_what_it_would_use()
    {
        foreach (var (recipient, rule, use) in new[]
        {
            ("bob@example.org", "our own people get KDC mail", "recipient bob@example.org is principal"),
            (GatewayFixture.PartnerAddress, "partners get S/MIME", fixture.Partner.Serial),
            ("someone@outside.example", "(default)", "goes as it is"),
        })
        {
            var id = Mails.NewId();
            var sent = (await fixture.SwaksAsync(recipient, Mails.Text(id, "alice@example.org", recipient))).Checked();
            var queueId = sent.Text.Split("Queued as ")[1].Split(['\r', '\n', ' '])[0];
            var accepted = await _gateway.Child.WaitForLineAsync($"{queueId} accepted", TimeSpan.FromSeconds(5));
            Assert.Contains($"{recipient} [{rule}]", accepted, StringComparison.Ordinal);
            var explained = (await _gateway.ToolAsync(
                "policy", "explain", "--config", _gateway.ConfigurationFile, "--from", "alice@example.org", "--to", recipient)).Checked();
            Assert.Contains(rule, explained.Text, StringComparison.Ordinal);
            Assert.Contains(use, explained.Text, StringComparison.OrdinalIgnoreCase);
            await fixture.DeliveredAsync(id);
        }
    }

    [Fact]
    public async Task Two_hundred_mails_from_smtp_source_arrive_at_postfix()
    {
        const string recipient = "quick@outside.example";
        var source = await Tool.RunAsync("smtp-source",
            ["-s", "5", "-m", "200", "-l", "2048", "-f", "alice@example.org", "-t", recipient, GatewayProcess.At(_gateway.RelayPort)]);
        source.Checked();
        var until = DateTime.UtcNow.AddSeconds(60);
        while (fixture.Delivered($"X-Original-To: {recipient}").Count() < 200 && DateTime.UtcNow < until)
            await Task.Delay(200, Cancel);
        Assert.Equal(200, fixture.Delivered($"X-Original-To: {recipient}").Count());
    }

    private void AssertToldNobody(byte[] onTheWire)
    {
        Assert.False(Mails.TellsSecret(onTheWire), "The delivered mail tells the secret.");
        foreach (var (name, content) in _gateway.Traces())
        {
            Assert.False(Mails.TellsSecret(content), $"{name} tells the secret.");
            Assert.False(content.AsSpan().IndexOf(Encoding.ASCII.GetBytes(Mails.Subject)) >= 0, $"{name} tells the subject.");
        }
    }
}
