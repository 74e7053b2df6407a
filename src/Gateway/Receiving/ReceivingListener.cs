using System.Collections.Immutable;
using System.Net;
using GatewaySecure.Smtp.Server;

namespace GatewaySecure.Gateway.Receiving;

/// <summary>What one listener goes by beside <see cref="ReceivingSettings"/>.</summary>
internal sealed record ReceivingListener
{
    /// <summary>For peers of no list below.</summary>
    public required SmtpServerOptions Options { get; init; }

    /// <summary>Devices whose bare line ends are mended.</summary>
    public ImmutableArray<IPNetwork> NormaliseFrom { get; init; } = [];

    /// <summary>Proxies, of whom the PROXY header is demanded and believed.</summary>
    public ImmutableArray<IPNetwork> ProxyFrom { get; init; } = [];

    /// <summary>Proxies that are offered XCLIENT.</summary>
    public ImmutableArray<IPNetwork> XclientFrom { get; init; } = [];

    public TimeSpan ProxyHeaderTimeout { get; init; } = TimeSpan.FromSeconds(5);

    public SmtpServerOptions OptionsFor(IPAddress peer)
    {
        var options = Options;
        if (ReceivingSettings.Contains(NormaliseFrom, peer))
            options = options with { NormaliseBareLineEnds = true };
        if (ReceivingSettings.Contains(XclientFrom, peer))
            options = options with { OfferXclient = true };
        return options;
    }
}
