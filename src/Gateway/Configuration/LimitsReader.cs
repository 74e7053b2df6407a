using System.Net;
using GatewaySecure.Gateway.Receiving;
using GatewaySecure.Settings;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>Reads <c>limits</c>, at the top and of one listener.</summary>
internal static class LimitsReader
{
    public static LimitsConfiguration Read(ConfigurationSection top)
    {
        if (top.Section("limits", ConfigurationKeys.Limits) is not { } section)
            return new LimitsConfiguration();
        var limits = Read(section, new LimitsConfiguration());
        return limits with
        {
            WrongPasswordsPerAddress = section.Optional("wrong-password-rate-per-address", MailValues.Rate, limits.WrongPasswordsPerAddress),
            WrongPasswordsPerUser = section.Optional("wrong-password-rate-per-user", MailValues.Rate, limits.WrongPasswordsPerUser),
            ExemptFrom = section.List<IPNetwork>("exempt-from", ValueParsers.Network, mayBeEmpty: true),
            DrainTimeout = section.Optional<TimeSpan>("drain-timeout", ValueParsers.TimeLimit, limits.DrainTimeout),
        };
    }

    /// <summary>Those of one listener: what it does not say is as at the top.</summary>
    public static LimitsConfiguration ReadListener(ConfigurationSection listener, LimitsConfiguration top) =>
        listener.Section("limits", ConfigurationKeys.ListenerLimits) is { } section ? Read(section, top) : top;

    private static LimitsConfiguration Read(ConfigurationSection section, LimitsConfiguration defaults)
    {
        Rate? RateOf(string name, Rate? otherwise) => section.Optional(name, MailValues.Rate, otherwise);
        TimeSpan TimeOf(string name, TimeSpan otherwise) => section.Optional<TimeSpan>(name, ValueParsers.TimeLimit, otherwise);
        int NumberOf(string name, int maximum, int otherwise) => section.Optional(name, ValueParsers.Number(1, maximum), otherwise);

        var traffic = defaults.Traffic;
        return defaults with
        {
            Traffic = new TrafficLimits
            {
                Connections = NumberOf("connections", 1_000_000, traffic.Connections),
                ConnectionsPerAddress = NumberOf("connections-per-address", 1_000_000, traffic.ConnectionsPerAddress),
                ConnectionRate = RateOf("connection-rate", traffic.ConnectionRate),
                ConnectionRatePerAddress = RateOf("connection-rate-per-address", traffic.ConnectionRatePerAddress),
                MessageRate = RateOf("message-rate", traffic.MessageRate),
                MessageRatePerAddress = RateOf("message-rate-per-address", traffic.MessageRatePerAddress),
                RecipientRate = RateOf("recipient-rate", traffic.RecipientRate),
                RecipientRatePerAddress = RateOf("recipient-rate-per-address", traffic.RecipientRatePerAddress),
                ErrorRatePerAddress = RateOf("error-rate-per-address", traffic.ErrorRatePerAddress),
            },
            Errors = NumberOf("errors", 10_000, defaults.Errors),
            JunkCommands = NumberOf("junk-commands", 10_000, defaults.JunkCommands),
            WrongPasswords = NumberOf("wrong-passwords", 100, defaults.WrongPasswords),
            Hops = NumberOf("hops", 100, defaults.Hops),
            Passes = NumberOf("passes", 100, defaults.Passes),
            CommandTimeout = TimeOf("command-timeout", defaults.CommandTimeout),
            DataTimeout = TimeOf("data-timeout", defaults.DataTimeout),
            MessageTimeout = TimeOf("message-timeout", defaults.MessageTimeout),
            TlsHandshakeTimeout = TimeOf("tls-handshake-timeout", defaults.TlsHandshakeTimeout),
            ProxyHeaderTimeout = TimeOf("proxy-header-timeout", defaults.ProxyHeaderTimeout),
            SessionTimeout = section.Optional<TimeSpan>("session-timeout", ValueParsers.DayAtMost, defaults.SessionTimeout),
        };
    }
}
