using System.Text;
using System.Text.Json;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>Protected mail from outside: judged, opened, and protected again for the inside (docs/opening.md).</summary>
public sealed class OpeningTests : IAsyncDisposable
{
    private const string Passphrase = "seven words that nobody guesses in time";
    private readonly OutsideSigner _carol = new();
    private readonly SmtpSink _sink = new(new SmtpSinkOptions { Keep = true });
    private readonly TempDirectory _folder = new();
    private readonly string _organisation;
    private GatewayProcess? _gateway;

    public OpeningTests()
    {
        (var keys, _organisation) = _carol.MakeOrganisation(Passphrase);
        File.Copy(keys, _folder["org.p12"]);
        File.WriteAllText(_folder["org.pass"], Passphrase + "\n");
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static string Entity => $"Content-Type: text/plain; charset=us-ascii\r\n\r\n{Mails.Secret}\r\n";

    private static string NewHeader =>
        $"""
        From: Carol <carol@partner.example>
        To: bob@example.org
        Subject: The offer
        Date: {DateTimeOffset.UtcNow:r}
        Message-ID: <{Mails.NewId()}>
        Authentication-Results: gateway.example.org; smime=pass reason="Forged."

        """;

    public async ValueTask DisposeAsync()
    {
        if (_gateway is not null)
            await _gateway.DisposeAsync();
        await _sink.DisposeAsync();
        _carol.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task What_came_encrypted_to_the_organisation_goes_on_as_kdc_mail_that_tells_who_signed()
    {
        var gateway = await StartAsync("open", "kdc");
        var bob = await CardHolder.IssueAsync(gateway, "bob@example.org");
        var arrived = await SendAsync(await _carol.SignAndEncryptAsync(NewHeader, Entity, _organisation));
        Assert.False(Mails.TellsSecret(arrived));
        var text = Encoding.ASCII.GetString(arrived);
        Assert.DoesNotContain("The offer", text, StringComparison.Ordinal);
        Assert.DoesNotContain("Forged", text, StringComparison.Ordinal);

        await File.WriteAllBytesAsync(_folder["kdc.eml"], arrived, Cancel);
        var opened = await bob.OpenAsync(_folder["kdc.eml"], _folder["clear.eml"]);
        Assert.True(File.Exists(_folder["clear.eml"]), opened.All);
        var clear = await File.ReadAllTextAsync(_folder["clear.eml"], Cancel);
        Assert.Contains(Mails.Secret, clear, StringComparison.Ordinal);
        Assert.Contains("Subject: The offer", clear, StringComparison.Ordinal);
        Assert.DoesNotContain("Forged", clear, StringComparison.Ordinal);
        var said = JsonDocument.Parse(opened.Output).RootElement.GetRawText();
        Assert.Contains("came from outside", said, StringComparison.Ordinal);
        Assert.Contains("Signed by carol@partner.example", said, StringComparison.Ordinal);
        Assert.Contains(gateway.Child.Log, l => l.Contains("S/MIME pass, opened: Signed by carol@partner.example", StringComparison.Ordinal));
        // What rests on the disk is what came.
        foreach (var file in Directory.EnumerateFiles(gateway.State, "*", SearchOption.AllDirectories).Where(f => new FileInfo(f).Length > 0))
            Assert.False(Mails.TellsSecret(await ReadAsync(file)), file);
    }

    [Fact]
    public async Task Signed_mail_that_is_only_judged_arrives_as_the_same_octets_below_the_verdict()
    {
        await StartAsync("verify", "normal");
        var mail = await _carol.SignAsync(NewHeader, Entity);
        var arrived = Encoding.ASCII.GetString(await SendAsync(mail));
        var verdict = arrived[..arrived.IndexOf("\r\nReceived:", StringComparison.Ordinal)];
        Assert.StartsWith("Authentication-Results: gateway.example.org;\r\n\tsmime=pass", verdict, StringComparison.Ordinal);
        Assert.Contains("body.smime-identifier=carol@partner.example", verdict, StringComparison.Ordinal);
        Assert.Equal(WithoutForgery(mail), Encoding.ASCII.GetString(Mails.BelowOurReceived(Encoding.ASCII.GetBytes(arrived[(verdict.Length + 2)..]))));

        var changed = Encoding.ASCII.GetBytes(Encoding.ASCII.GetString(mail).Replace(Mails.Secret, Mails.Secret + "!", StringComparison.Ordinal));
        Assert.Contains("smime=fail", Encoding.ASCII.GetString(await SendAsync(changed)), StringComparison.Ordinal);
        var encrypted = Encoding.ASCII.GetString(await SendAsync(await _carol.EncryptAsync(NewHeader, Entity, _organisation, "-aes-256-gcm")));
        Assert.Contains("smime=none", encrypted, StringComparison.Ordinal);
        Assert.DoesNotContain(Mails.Secret, encrypted, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Opened_mail_goes_in_clear_where_a_rule_says_so_and_what_could_leak_stays_closed()
    {
        var gateway = await StartAsync("open", "normal");
        var arrived = await SendAsync(await _carol.EncryptAsync(NewHeader, Entity, _organisation, "-aes-256-gcm"));
        Assert.True(Mails.TellsSecret(arrived));
        Assert.Contains("smime=neutral", Encoding.ASCII.GetString(arrived), StringComparison.Ordinal);
        var unsigned = await SendAsync(await _carol.EncryptAsync(NewHeader, Entity, _organisation, "-aes256"));
        Assert.False(Mails.TellsSecret(unsigned));
        Assert.Contains("smime=none", Encoding.ASCII.GetString(unsigned), StringComparison.Ordinal);

        // Another's key: it is for a card, and a report about it gives back what came.
        using var stranger = new OutsideSigner();
        var (_, elsewhere) = stranger.MakeOrganisation("x");
        var closed = await _carol.EncryptAsync(NewHeader, Entity, elsewhere, "-aes-256-gcm");
        Assert.False(Mails.TellsSecret(await SendAsync(closed)));
        var check = (await Tool.RunAsync(Programs.Gateway, ["policy", "check", gateway.ConfigurationFile])).Checked();
        Assert.Contains("lets what came encrypted go on in clear", check.All, StringComparison.Ordinal);
        var explained = (await gateway.ToolAsync(
            "policy", "explain", "--config", gateway.ConfigurationFile, "--from", OutsideSigner.Address, "--to", "bob@example.org", "--outside")).Checked();
        Assert.Contains("a key of 'opening' opens", explained.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Mail_that_came_in_clear_from_outside_is_kdc_mail_too_but_never_in_the_name_of_our_own_people()
    {
        var gateway = await StartAsync("open", "kdc");
        var bob = await CardHolder.IssueAsync(gateway, "bob@example.org");
        var arrived = await SendAsync(Encoding.ASCII.GetBytes(NewHeader.ReplaceLineEndings("\r\n") + Entity));
        Assert.False(Mails.TellsSecret(arrived));
        await File.WriteAllBytesAsync(_folder["kdc.eml"], arrived, Cancel);
        var opened = await bob.OpenAsync(_folder["kdc.eml"], _folder["clear.eml"]);
        Assert.Contains("is not proved", opened.Text, StringComparison.Ordinal);
        Assert.Contains(Mails.Secret, await File.ReadAllTextAsync(_folder["clear.eml"], Cancel), StringComparison.Ordinal);

        using var talker = await SmtpTalker.GreetAsync(gateway.RelayPort, OutsideSigner.Peer);
        var forged = NewHeader.Replace("Carol <carol@partner.example>", "alice@example.org", StringComparison.Ordinal).ReplaceLineEndings("\r\n") + Entity;
        Assert.StartsWith("250", await talker.DeliverAsync(OutsideSigner.Address, "bob@example.org", Encoding.ASCII.GetBytes(forged)), StringComparison.Ordinal);
        await gateway.Child.WaitForLineAsync("alice@example.org is of this realm", TimeSpan.FromSeconds(20));
        Assert.Single(_sink.Messages);
    }

    [Fact]
    public async Task Scanners_see_what_was_opened()
    {
        await using var filter = await OddFilter.StartAsync();
        var gateway = await StartAsync("open", "normal", $"scanners:\n  - name: virus\n    milter: 127.0.0.1:{filter.Port}\n");
        const string infected = "Content-Type: application/pdf; name=x\r\n\r\nreport.pdf\r\n";
        var mail = await _carol.EncryptAsync("X-Test: reject-report\n" + NewHeader, infected, _organisation, "-aes-256-gcm");
        using var talker = await SmtpTalker.GreetAsync(gateway.RelayPort, OutsideSigner.Peer);
        Assert.StartsWith("250", await talker.DeliverAsync(OutsideSigner.Address, "bob@example.org", mail), StringComparison.Ordinal);
        await gateway.Child.WaitForLineAsync("Scanner virus refused", TimeSpan.FromSeconds(20));
        Assert.Empty(_sink.Messages);
    }

    [Fact]
    public async Task The_subject_says_what_was_found_and_no_sender_can_say_it_himself()
    {
        await StartAsync("open", "normal", opening: "  subject-tag: true\n");
        var opened = await SendAsync(await _carol.SignAndEncryptAsync(NewHeader, Entity, _organisation));
        Assert.Contains("\r\nSubject: [opened] [signed]\r\n The offer\r\n", Encoding.ASCII.GetString(opened), StringComparison.Ordinal);
        var forged = NewHeader.Replace("The offer", "[Signed] The offer", StringComparison.Ordinal).ReplaceLineEndings("\r\n") + Entity;
        Assert.Contains("\r\nSubject: The offer\r\n", Encoding.ASCII.GetString(await SendAsync(Encoding.ASCII.GetBytes(forged))), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("normal")]
    [InlineData("kdc")]
    public async Task The_seal_that_others_inside_verify_speaks_of_the_signature_too(string method)
    {
        using var keys = await DkimKeys.MakeAsync();
        await using var dns = await PrivateDns.StartAsync(keys.Zone, new DnsZone("partner.example", "@ TXT \"v=spf1 ip4:127.0.0.9 -all\""));
        var gateway = await StartAsync("open", method, $"dns:\n  resolver: [{dns.Resolver}]\nauthentication:\n  dmarc: report\n{keys.ArcLines}");
        if (method == "kdc")
            await CardHolder.IssueAsync(gateway, "bob@example.org");
        var arrived = await SendAsync(await _carol.SignAndEncryptAsync(NewHeader, Entity, _organisation));
        var text = Encoding.ASCII.GetString(arrived);
        Assert.StartsWith("ARC-Seal: i=1; a=rsa-sha256; cv=none;", text, StringComparison.Ordinal);
        var results = text[text.IndexOf("ARC-Authentication-Results: i=1;", StringComparison.Ordinal)..];
        Assert.Contains("\tspf=pass", results, StringComparison.Ordinal);
        Assert.Contains("\tsmime=pass", results, StringComparison.Ordinal);
        Assert.Equal("pass\n", await DkimKeys.VerifyAsync(arrived, dns, "arc-verify"));
        Assert.Equal(method == "normal", Mails.TellsSecret(arrived));
    }

    private async Task<GatewayProcess> StartAsync(string smime, string method, string more = "", string opening = "")
    {
        _gateway = new GatewayProcess(new GatewaySetup
        {
            NextHopPort = _sink.Port,
            RuleLines = ["- name: from outside", "  direction: inbound", $"  smime: {smime}", $"  method: {method}"],
            More = $"opening:\n  keys:\n    - {{ file: {_folder["org.p12"]}, passphrase-file: {_folder["org.pass"]} }}\n{opening}{more}",
        });
        _carol.TellAuthority(_gateway);
        await _gateway.StartAsync();
        return _gateway;
    }

    /// <returns>As it arrived.</returns>
    private async Task<byte[]> SendAsync(byte[] mail)
    {
        var before = (int)_sink.Count;
        using var talker = await SmtpTalker.GreetAsync(_gateway!.RelayPort, OutsideSigner.Peer);
        Assert.StartsWith("250", await talker.DeliverAsync(OutsideSigner.Address, "bob@example.org", mail), StringComparison.Ordinal);
        await _sink.WaitForAsync(before + 1, TimeSpan.FromSeconds(20));
        return _sink.Messages[before].Content;
    }

    private static string WithoutForgery(byte[] mail)
    {
        var text = Encoding.ASCII.GetString(mail);
        var from = text.IndexOf("Authentication-Results", StringComparison.Ordinal);
        return text.Remove(from, text.IndexOf("\r\n", from, StringComparison.Ordinal) + 2 - from);
    }

    private static async Task<byte[]> ReadAsync(string file)
    {
        // The database is in use.
        await using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        var octets = new MemoryStream();
        await stream.CopyToAsync(octets, Cancel);
        return octets.ToArray();
    }
}
