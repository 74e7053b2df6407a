using Microsoft.Extensions.Hosting;

namespace GatewaySecure.ServerHost;

/// <summary>Signals belong to the command that runs the server; the host's own way with them would end it twice.</summary>
public sealed class NoLifetime : IHostLifetime
{
    public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
