namespace GatewaySecure.Gateway.Configuration;

/// <summary>What one client, and all together, may take up.</summary>
internal sealed record LimitsConfiguration
{
    public int Connections { get; init; } = 1000;

    public int ConnectionsPerAddress { get; init; } = 100;

    public int Errors { get; init; } = 20;

    public TimeSpan CommandTimeout { get; init; } = TimeSpan.FromMinutes(5);

    public TimeSpan DataTimeout { get; init; } = TimeSpan.FromMinutes(3);
}
