using System.Diagnostics;
using System.Net.Sockets;
using GatewaySecure.SmartCard.Tests;
using GatewaySecure.TestKit;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>An operator's session lives as long as his card is in the reader and server and station hear one another.</summary>
[Collection("pcscd")]
public sealed class StationSessionTests(PrivatePcscd pcscd)
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task Pulling_the_operators_card_ends_the_session_at_both_sides_within_a_second()
    {
        await using var setup = await StationSetup.StartAsync();
        using var card = VirtualCards.Open(setup["olga.card"]);
        var plugged = await pcscd.PlugAsync(card);
        await using var station = new StationProcess(setup, ["session", "--hold", "--operator-reader", plugged.Reader], pcscd.Environment);
        await station.WaitForAsync("operator  olga");
        Assert.DoesNotContain("operator.log-off", await setup.AuditAsync(), StringComparison.Ordinal);

        var pulled = Stopwatch.StartNew();
        await plugged.DisposeAsync();
        Assert.Equal(3, await station.EndAsync(Soon));
        Assert.True(pulled.Elapsed < TimeSpan.FromSeconds(1.5), $"It took {pulled.Elapsed}.");
        Assert.Contains("The operator's card was pulled.", station.Text, StringComparison.Ordinal);
        // The server was told before the station ended; reading its audit takes as long as it takes.
        Assert.Contains("card was pulled", await LogOffAsync(setup), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Pulling_the_operators_card_stops_an_issuing_between_two_steps_and_it_goes_on_later()
    {
        await using var setup = await StationSetup.StartAsync();
        using var operators = VirtualCards.Open(setup["olga.card"]);
        using var memory = VirtualOpenPgpCard.CreateInMemory();
        var inserted = await pcscd.PlugAsync(operators);
        var reader = inserted.Reader;
        // The second point is after the user's PIN was set, within the first step: from there on the card takes its time, until the pulling is known.
        using var slow = new PointCard(memory, 2, () => inserted.DisposeAsync().AsTask().Wait(Soon));
        await using var plugged = await pcscd.PlugAsync(slow, slot: 1);
        string[] issue =
        [
            "issue", "--address", "bob@example.org", "--name", "Bob", "--algorithm", "P256", "--reader", plugged.Reader, "--operator-reader", reader, "--letter", setup["bob.letter"],
        ];
        await using (var first = new StationProcess(setup, issue, pcscd.Environment))
        {
            Assert.Equal(3, await first.EndAsync(Soon));
            Assert.Contains("The operator's card was pulled.", first.Text, StringComparison.Ordinal);
            Assert.DoesNotContain("the card is active", first.Text, StringComparison.Ordinal);
        }
        Assert.False(File.Exists(setup["bob.letter"]));
        await using var again = await pcscd.PlugAsync(operators);
        await using var second = new StationProcess(setup, issue, pcscd.Environment);
        Assert.True(await second.EndAsync(Soon) == 0, second.Text);
        Assert.Contains("the card is active", second.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_network_that_is_cut_ends_the_session_at_both_sides()
    {
        await using var wire = new CutWire();
        await using var setup = await StationSetup.StartAsync(url: $"https://localhost:{wire.Port}");
        wire.Target = setup.Kdc.Child.Port;
        await using var station = new StationProcess(setup, ["session", "--hold", "--operator-card", setup["olga.card"]]);
        await station.WaitForAsync("operator  olga");
        var cut = Stopwatch.StartNew();
        wire.Cut();
        Assert.Equal(3, await station.EndAsync(Soon));
        Assert.InRange(cut.Elapsed.TotalSeconds, 1, 15);
        Assert.Contains("does not answer any more", station.Text, StringComparison.Ordinal);
        Assert.Contains("the station was not heard any more", await LogOffAsync(setup), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_operator_who_is_suspended_is_logged_off_and_does_not_come_back()
    {
        await using var setup = await StationSetup.StartAsync();
        await using var station = new StationProcess(setup, ["session", "--hold", "--operator-card", setup["olga.card"]]);
        await station.WaitForAsync("operator  olga");
        (await setup.Kdc.ToolAsync("principal", "suspend", "olga", "--reason", "left the team")).Checked();
        Assert.Equal(3, await station.EndAsync(Soon));
        Assert.Contains("left the team", station.Text, StringComparison.Ordinal);
        var refused = await setup.OlgaAsync("session");
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("is suspended", refused.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_pin_or_another_server_is_told_and_no_session_opens()
    {
        await using var setup = await StationSetup.StartAsync();
        await File.WriteAllTextAsync(setup["wrong.pin"], "000000\n", TestContext.Current.CancellationToken);
        var wrong = await setup.ToolAsync(
            "session", "--station", setup.Folder, "--operator-card", setup["olga.card"], "--operator-pin-file", setup["wrong.pin"], "--passphrase-file", setup["passphrase"]);
        Assert.Equal(1, wrong.ExitCode);
        Assert.Contains("Tries left: 2", wrong.Error, StringComparison.Ordinal);
        wrong = await setup.ToolAsync(
            "session", "--station", setup.Folder, "--operator-card", setup["olga.card"], "--operator-pin-file", setup["operator.pin"], "--passphrase-file", setup["wrong.pin"]);
        Assert.Equal(1, wrong.ExitCode);
        Assert.Contains("passphrase", wrong.Error, StringComparison.Ordinal);

        await using var other = new KdcProcess();
        await other.Child.StartAsync();
        await setup.InitAsync(setup["elsewhere"], other.Url);
        var middle = await setup.ToolAsync(
            "session", "--station", setup["elsewhere"], "--operator-card", setup["olga.card"], "--operator-pin-file", setup["operator.pin"], "--passphrase-file", setup["passphrase"]);
        Assert.Equal(1, middle.ExitCode);
        Assert.Contains("not the pinned one", middle.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("operator.log-on", await setup.AuditAsync(), StringComparison.Ordinal);
    }

    /// <summary>The line of the audit, as soon as it is there.</summary>
    private static async Task<string> LogOffAsync(StationSetup setup)
    {
        for (var i = 0; i < 50; i++)
        {
            if ((await setup.AuditAsync()).Split('\n').FirstOrDefault(l => l.Contains("operator.log-off", StringComparison.Ordinal)) is { } line)
                return line;
            await Task.Delay(100);
        }
        throw new TimeoutException("The server did not end the session.");
    }

    /// <summary>Forwards to a port until it is cut; then it swallows what comes, as a dead line does.</summary>
    private sealed class CutWire : IAsyncDisposable
    {
        private readonly LoopbackServer _server;
        private volatile bool _cut;

        public CutWire() => _server = new LoopbackServer(ForwardAsync);

        public int Port => _server.Port;

        public int Target { get; set; }

        public void Cut() => _cut = true;

        public ValueTask DisposeAsync() => _server.DisposeAsync();

        private async Task ForwardAsync(Stream near, CancellationToken cancellationToken)
        {
            using var far = new TcpClient();
            await far.ConnectAsync(System.Net.IPAddress.Loopback, Target, cancellationToken);
            await Task.WhenAny(CopyAsync(near, far.GetStream(), cancellationToken), CopyAsync(far.GetStream(), near, cancellationToken));
        }

        private async Task CopyAsync(Stream from, Stream to, CancellationToken cancellationToken)
        {
            var buffer = new byte[16384];
            for (int count; (count = await from.ReadAsync(buffer, cancellationToken)) > 0;)
            {
                if (!_cut)
                    await to.WriteAsync(buffer.AsMemory(0, count), cancellationToken);
            }
        }
    }
}
