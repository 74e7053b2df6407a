using System.Collections.Immutable;
using System.Net;
using GatewaySecure.Smtp;

namespace GatewaySecure.Gateway.Receiving;

/// <summary>What the sessions of some listeners may take up together. Thread-safe.</summary>
/// <param name="connections">Open at one time.</param>
/// <param name="rates">All but wrong passwords.</param>
/// <param name="passwords">Wrong ones, of all listeners together.</param>
/// <param name="exempt">Who is exempt from everything that is counted by address.</param>
internal sealed class TrafficControl(
    ConnectionLimiter connections, RateLimiter rates, PasswordLimits passwords, ImmutableArray<IPNetwork> exempt, RefusalLog refusals, TimeProvider time)
{
    private static readonly Rate PostmasterRate = new(10, TimeSpan.FromMinutes(1));

    private readonly Lock _postmasterGate = new();
    private TokenBucket _postmaster;

    public ConnectionLimiter Connections => connections;

    public RateLimiter Rates => rates;

    public PasswordLimits Passwords => passwords;

    public RefusalLog Refusals => refusals;

    public bool IsExempt(IPAddress address) => ReceivingSettings.Contains(exempt, address);

    /// <summary>The postmaster is reached over all rates, by a few.</summary>
    public bool TryReachPostmaster()
    {
        lock (_postmasterGate)
            return _postmaster.TryTake(PostmasterRate, time.GetTimestamp(), time);
    }
}
