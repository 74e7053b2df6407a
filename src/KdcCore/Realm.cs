using System.Diagnostics.CodeAnalysis;
using GatewaySecure.Addresses;

namespace GatewaySecure.KdcCore;

/// <summary>
/// The domain of one KDC, named like a mail domain: A-labels in lower case. Compared octet by octet.
/// </summary>
public sealed record Realm
{
    private Realm(string name) => Name = name;

    public string Name { get; }

    /// <exception cref="FormatException">Not a domain name in its one canonical spelling.</exception>
    public static Realm Parse(string name) =>
        TryParse(name, out var realm) ? realm : throw new FormatException($"'{name}' is not a realm name.");

    public static bool TryParse([NotNullWhen(true)] string? name, [NotNullWhen(true)] out Realm? realm)
    {
        realm = DomainName.TryParse(name, out var domain) && !domain.IsAddressLiteral && domain.Ascii == name ? new Realm(name) : null;
        return realm is not null;
    }

    public override string ToString() => Name;
}
