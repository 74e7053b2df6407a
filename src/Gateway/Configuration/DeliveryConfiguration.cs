namespace GatewaySecure.Gateway.Configuration;

/// <summary>How long the next hops may take. The defaults are the least that RFC 5321 §4.5.3.2 asks for.</summary>
internal sealed record DeliveryConfiguration
{
    /// <summary>For one address. The RFC leaves that open.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(30);

    public TimeSpan GreetingTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>For the answer to each command but DATA.</summary>
    public TimeSpan CommandTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>From DATA to 354.</summary>
    public TimeSpan DataCommandTimeout { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>For one block of content to be taken.</summary>
    public TimeSpan BlockTimeout { get; init; } = TimeSpan.FromMinutes(3);

    /// <summary>From the end of the mail to its answer. Who gives up sooner sends mail twice (RFC 1047).</summary>
    public TimeSpan FinalDotTimeout { get; init; } = TimeSpan.FromMinutes(10);
}
