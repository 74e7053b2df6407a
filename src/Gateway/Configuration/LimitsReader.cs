namespace GatewaySecure.Gateway.Configuration;

/// <summary>Reads <c>limits</c>.</summary>
internal static class LimitsReader
{
    public static LimitsConfiguration Read(ConfigurationSection top)
    {
        var defaults = new LimitsConfiguration();
        if (top.Section("limits", ConfigurationKeys.Limits) is not { } section)
            return defaults;
        return new LimitsConfiguration
        {
            Connections = section.Optional("connections", ValueParsers.Number(1, 1_000_000), defaults.Connections),
            ConnectionsPerAddress = section.Optional("connections-per-address", ValueParsers.Number(1, 1_000_000), defaults.ConnectionsPerAddress),
            Errors = section.Optional("errors", ValueParsers.Number(1, 10_000), defaults.Errors),
            CommandTimeout = section.Optional<TimeSpan>("command-timeout", ValueParsers.TimeLimit, defaults.CommandTimeout),
            DataTimeout = section.Optional<TimeSpan>("data-timeout", ValueParsers.TimeLimit, defaults.DataTimeout),
        };
    }
}
