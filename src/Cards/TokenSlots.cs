using GatewaySecure.SmartCard;

namespace GatewaySecure.Cards;

/// <summary>
/// Where keys are on a token: it has no slots but objects with ids, so slots are ids of ours. Keys that other programs put there keep their ids.
/// </summary>
internal static class TokenSlots
{
    public const string IdentityLabel = "GatewaySecure identity";
    public const string MasterKeyLabel = "GatewaySecure master key";
    private const int RetiredCount = 20;

    // "GS", then the place.
    private static readonly CardSlot[] Present =
    [
        new("475302", CardUse.Decipher), new("475301", CardUse.Sign), new("475303", CardUse.Authenticate), new("475304", CardUse.Ticket),
    ];

    public static IReadOnlyList<CardSlot> Retired { get; } =
        [.. Enumerable.Range(0, RetiredCount).Select(n => new CardSlot($"4753{0x10 + n:X2}", CardUse.Decipher, Retired: true))];

    /// <summary>Present keys first, then the others.</summary>
    public static int Order(CardSlot slot) => slot.Retired ? 2 : Array.Exists(Present, s => s == slot) ? 0 : 1;

    public static CardSlot Of(CardUse use) => Present.First(s => s.Use == use);

    /// <summary>Null for an id of another program's.</summary>
    public static CardSlot? Find(ReadOnlySpan<byte> id)
    {
        var name = Convert.ToHexString(id);
        return Array.Find(Present, s => s.Name == name) ?? Retired.FirstOrDefault(s => s.Name == name);
    }

    public static byte[] Id(CardSlot slot) => Convert.FromHexString(slot.Name);

    /// <summary>What other programs show for it.</summary>
    public static string Label(CardSlot slot) => slot.Retired ? $"GatewaySecure old mail {slot.Name[4..]}" : $"GatewaySecure {slot.Use.ToString().ToLowerInvariant()}";
}
