using System.Globalization;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>A server that does not end is no silence.</summary>
public sealed class ChildServerTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_server_that_has_to_be_killed_fails_its_test(bool isDeaf)
    {
        var port = Loopback.FreePort();
        var script = string.Create(CultureInfo.InvariantCulture, $"""
            import signal, socket, time
            {(isDeaf ? "signal.signal(signal.SIGTERM, signal.SIG_IGN)" : "")}
            listener = socket.create_server(("127.0.0.1", {port}))
            time.sleep(600)
            """);
        var server = new ChildServer("python3", ["-c", script], port) { EndsWithin = TimeSpan.FromSeconds(isDeaf ? 1 : 30) };
        await server.StartAsync();
        if (isDeaf)
            Assert.Contains("was killed", (await Assert.ThrowsAsync<TimeoutException>(() => server.DisposeAsync().AsTask())).Message, StringComparison.Ordinal);
        else
            await server.DisposeAsync();
        Assert.False(server.IsRunning);
    }
}
