using System.Collections.Immutable;
using System.Net;
using GatewaySecure.Gateway.Receiving;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>What one session, one address, and all together may take up. A rate that is null is not limited.</summary>
internal sealed record LimitsConfiguration
{
    public TrafficLimits Traffic { get; init; } = new();

    public Rate? WrongPasswordsPerAddress { get; init; } = new(20, TimeSpan.FromHours(1));

    /// <summary>More than one address may try, so that a device with an old password does not use it up.</summary>
    public Rate? WrongPasswordsPerUser { get; init; } = new(30, TimeSpan.FromHours(1));

    /// <summary>From everything that is counted by address.</summary>
    public ImmutableArray<IPNetwork> ExemptFrom { get; init; } = [];

    public int Errors { get; init; } = 20;

    public int JunkCommands { get; init; } = 100;

    public int WrongPasswords { get; init; } = 3;

    public int Hops { get; init; } = 50;

    public int Passes { get; init; } = 4;

    public TimeSpan CommandTimeout { get; init; } = TimeSpan.FromMinutes(5);

    public TimeSpan DataTimeout { get; init; } = TimeSpan.FromMinutes(3);

    public TimeSpan MessageTimeout { get; init; } = TimeSpan.FromMinutes(30);

    public TimeSpan TlsHandshakeTimeout { get; init; } = TimeSpan.FromSeconds(30);

    public TimeSpan ProxyHeaderTimeout { get; init; } = TimeSpan.FromSeconds(5);

    public TimeSpan SessionTimeout { get; init; } = TimeSpan.FromHours(2);

    /// <summary>For what arrives when the gateway is told to stop.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(30);
}

/// <summary>What is counted over connections. Equal for listeners that count together.</summary>
internal sealed record TrafficLimits
{
    public int Connections { get; init; } = 1000;

    public int ConnectionsPerAddress { get; init; } = 100;

    public Rate? ConnectionRate { get; init; }

    public Rate? ConnectionRatePerAddress { get; init; } = new(600, TimeSpan.FromMinutes(1));

    public Rate? MessageRate { get; init; }

    public Rate? MessageRatePerAddress { get; init; } = new(3000, TimeSpan.FromMinutes(1));

    public Rate? RecipientRate { get; init; }

    public Rate? RecipientRatePerAddress { get; init; } = new(10_000, TimeSpan.FromMinutes(1));

    public Rate? ErrorRatePerAddress { get; init; } = new(100, TimeSpan.FromMinutes(1));
}
