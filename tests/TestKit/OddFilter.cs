namespace GatewaySecure.TestKit;

/// <summary>The filter of tests/interop/odd_milter.py, written with libmilter, running: it does what the field X-Test of a mail asks for.</summary>
public sealed class OddFilter : IAsyncDisposable
{
    private readonly ChildServer _server;

    private OddFilter()
    {
        var port = Loopback.FreePort();
        _server = new ChildServer(
            "/usr/bin/python3", [Path.Combine(Repository.Root, "tests", "interop", "odd_milter.py"), $"inet:{port}@127.0.0.1"], port);
    }

    public int Port => _server.Port;

    public static async Task<OddFilter> StartAsync()
    {
        var filter = new OddFilter();
        await filter._server.StartAsync();
        return filter;
    }

    public Task StopAsync() => _server.StopAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();
}
