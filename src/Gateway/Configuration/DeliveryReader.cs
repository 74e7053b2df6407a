using GatewaySecure.Settings;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>Reads <c>delivery</c>: how long next hops may take.</summary>
internal static class DeliveryReader
{
    public static DeliveryConfiguration Read(ConfigurationSection top)
    {
        var defaults = new DeliveryConfiguration();
        if (top.Section("delivery", ConfigurationKeys.Delivery) is not { } section)
            return defaults;
        TimeSpan TimeOf(string name, TimeSpan otherwise) => section.Optional<TimeSpan>(name, ValueParsers.TimeLimit, otherwise);
        return new DeliveryConfiguration
        {
            ConnectTimeout = TimeOf("connect-timeout", defaults.ConnectTimeout),
            GreetingTimeout = TimeOf("greeting-timeout", defaults.GreetingTimeout),
            CommandTimeout = TimeOf("command-timeout", defaults.CommandTimeout),
            DataCommandTimeout = TimeOf("data-command-timeout", defaults.DataCommandTimeout),
            BlockTimeout = TimeOf("block-timeout", defaults.BlockTimeout),
            FinalDotTimeout = TimeOf("final-dot-timeout", defaults.FinalDotTimeout),
        };
    }
}
