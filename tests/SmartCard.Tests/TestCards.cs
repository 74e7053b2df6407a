using GatewaySecure.VirtualCard;

namespace GatewaySecure.SmartCard.Tests;

/// <summary>The client on a virtual card in the same process.</summary>
internal static class TestCards
{
    public static OpenPgpCard Client(VirtualOpenPgpCard card) => OpenPgpCard.Select(Channel(card));

    public static LocalCardChannel Channel(IVirtualCard card) => new(card.Atr, apdu => card.Process(apdu), card.Reset);
}
