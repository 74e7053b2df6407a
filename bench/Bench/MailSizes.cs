using System.Globalization;

namespace GatewaySecure.Bench;

/// <summary>The sizes that are measured, in octets of body.</summary>
internal static class MailSizes
{
    private const int Kilo = 1024;

    private const int Mega = Kilo * Kilo;

    public static IReadOnlyList<int> UpToOneMegabyte { get; } = [2 * Kilo, 50 * Kilo, Mega];

    public static IReadOnlyList<int> All { get; } = [.. UpToOneMegabyte, 10 * Mega];

    public static string Name(int octets) => octets >= Mega
        ? string.Create(CultureInfo.InvariantCulture, $"{octets / Mega} MB")
        : string.Create(CultureInfo.InvariantCulture, $"{octets / Kilo} KB");
}
