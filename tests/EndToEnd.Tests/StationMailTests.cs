using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>KDC mail through a gateway, opened with a card that a station issued over the same KDC server; and with the one that took its place.</summary>
public sealed class StationMailTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("openpgp")]
    [InlineData("piv")]
    public async Task Kdc_mail_opens_with_the_stations_card_and_later_mail_with_the_next_card_alone(string kind)
    {
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true });
        await using var setup = await StationSetup.StartAsync();
        var (lines, certificate) = setup.Kdc.GatewayLines(GatewaySetup.HostName);
        await using var gateway = new GatewayProcess(new GatewaySetup { NextHopPort = sink.Port, KdcLines = lines });
        (await setup.Kdc.ToolAsync("principal", "add", "--kind", "gateway", "--name", GatewaySetup.HostName, "--domain", "example.org", "--certificate", certificate)).Checked();
        await File.WriteAllTextAsync(setup["token"], (await setup.Kdc.ToolAsync("gateway", "token", GatewaySetup.HostName)).Checked().Text, Cancel);
        (await gateway.ToolAsync("kdc", "enroll", "--config", gateway.ConfigurationFile, "--token-file", setup["token"])).Checked();
        (await setup.Kdc.ToolAsync("principal", "add", "--name", "Alice", "--address", "alice@example.org")).Checked();
        var first = await IssueAsync(setup, "issue", "first", kind);
        await gateway.StartAsync();

        await SendAsync(gateway);
        await sink.WaitForAsync(1, TimeSpan.FromSeconds(30));
        var mail = await KeepAsync(setup, sink.Messages[0].Content);
        await setup.AssertOpensAsync(mail, Pin(setup, "first"), first);

        var second = await IssueAsync(setup, "replace", "second", kind, "--reason", "lost", "--yes");
        await SendAsync(gateway);
        await sink.WaitForAsync(2, TimeSpan.FromSeconds(30));
        mail = await KeepAsync(setup, sink.Messages[1].Content);
        await setup.AssertOpensAsync(mail, Pin(setup, "second"), second);
        Assert.Equal(5, (await CardHolder.OpenAsync(first, mail, mail + ".none", Pin(setup, "first"))).ExitCode);
    }

    private static async Task<string> IssueAsync(StationSetup setup, string command, string name, string kind, params string[] more)
    {
        var card = await setup.NewCardAsync(name + ".card", kind);
        (await setup.OlgaAsync(
            [command, "--address", "bob@example.org", "--name", "Bob", "--virtual-card", card, "--algorithm", "P256", "--letter", setup[name + ".letter"], .. more])).Checked();
        return card;
    }

    private static string Pin(StationSetup setup, string name) => StationSetup.PinOf(setup[name + ".letter"]);

    private static async Task<string> KeepAsync(StationSetup setup, byte[] content)
    {
        var file = setup[Guid.NewGuid().ToString("N") + ".eml"];
        await File.WriteAllBytesAsync(file, content, Cancel);
        return file;
    }

    private static async Task SendAsync(GatewayProcess gateway) =>
        (await gateway.SwaksAsync("bob@example.org", Mails.Text($"{Mails.NewId()}", "alice@example.org", "bob@example.org"))).Checked();
}
