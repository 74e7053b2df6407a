using System.Xml.Linq;

namespace GatewaySecure.Architecture.Tests;

/// <summary>Who may know whom. The table is docs/ARCHITECTURE.md's; a change here is a change there.</summary>
public sealed class ArrowTests
{
    private static readonly Dictionary<string, string[]> Arrows = new()
    {
        ["Addresses"] = [],
        ["Dns"] = [],
        ["MailAuthentication"] = ["Addresses", "Dns"],
        ["Milter"] = [],
        ["Trust"] = ["Addresses"],
        ["TrustFetch"] = ["Trust"],
        ["ServerHost"] = ["Addresses"],
        ["Settings"] = ["Addresses"],
        ["Smtp"] = ["Addresses"],
        ["Policies"] = ["Addresses"],
        ["KdcCore"] = ["Addresses"],
        ["Pkcs11"] = [],
        ["SmartCard"] = [],
        ["VirtualCard"] = [],
        ["Cards"] = ["Pkcs11", "SmartCard", "VirtualCard"],
        ["MailRouting"] = ["Addresses", "Dns"],
        ["CertificateAuthority"] = ["Addresses", "KdcCore", "Trust"],
        ["HsmAdapter"] = ["KdcCore", "Pkcs11", "Settings", "SmartCard"],
        ["KdcTransport"] = ["Addresses", "KdcCore"],
        ["MailProtection"] = ["Addresses", "KdcCore", "Trust"],
        ["Storage"] = ["Addresses", "KdcCore"],
        ["Gateway"] = ["Addresses", "Dns", "MailAuthentication", "Milter", "MailRouting", "ServerHost", "Settings", "Smtp", "Policies", "KdcCore", "KdcTransport", "HsmAdapter", "MailProtection", "Storage", "Trust", "TrustFetch"],
        ["KdcServer"] = ["Addresses", "CertificateAuthority", "ServerHost", "Settings", "KdcCore", "KdcTransport", "HsmAdapter", "Storage", "Trust"],
        ["CardClient"] = ["Addresses", "KdcCore", "MailProtection", "SmartCard", "Cards"],
        ["CardEnrollment"] = ["Addresses", "KdcCore", "KdcTransport", "HsmAdapter", "Storage", "SmartCard", "VirtualCard", "Cards"],
        ["Demo"] =
        [
            "Addresses", "Settings", "Smtp", "KdcCore", "HsmAdapter", "MailProtection", "Storage", "SmartCard", "VirtualCard", "Cards", "Gateway",
            "CardClient", "CardEnrollment",
        ],
    };

    /// <summary>The one gate of each outside dependency.</summary>
    private static readonly Dictionary<string, string[]> Packages = new()
    {
        ["HsmAdapter"] = [],
        ["Dns"] = ["DnsClient"],
        ["MailRouting"] = ["Microsoft.Extensions.Logging.Abstractions"],
        ["MailAuthentication"] = ["BouncyCastle.Cryptography", "MimeKit"],
        ["CertificateAuthority"] = ["BouncyCastle.Cryptography"],
        ["MailProtection"] = ["BouncyCastle.Cryptography", "MimeKit", "System.Security.Cryptography.Pkcs"],
        ["Trust"] = ["BouncyCastle.Cryptography", "System.Security.Cryptography.Pkcs"],
        ["Storage"] = ["Microsoft.EntityFrameworkCore.Sqlite"],
        ["Pkcs11"] = ["Pkcs11Interop"],
        ["Settings"] = ["YamlDotNet"],
        ["TrustFetch"] = ["System.DirectoryServices.Protocols"],
        ["Gateway"] = ["Microsoft.Data.Sqlite", "MimeKit", "Quartz", "System.CommandLine"],
        ["KdcServer"] = ["Microsoft.AspNetCore.OpenApi", "System.CommandLine", "System.DirectoryServices.Protocols"],
        ["CardClient"] = ["System.CommandLine"],
        ["CardEnrollment"] = ["System.CommandLine"],
    };

    public static TheoryData<string> Rooms => [.. Arrows.Keys];

    [Fact]
    public void Every_room_is_in_the_table()
    {
        var rooms = Directory.EnumerateFiles(Path.Combine(Tree.Root, "src"), "*.csproj", SearchOption.AllDirectories)
            .Select(p => Path.GetFileNameWithoutExtension(p)!);
        Assert.Equal(Arrows.Keys.Order(), rooms.Order());
    }

    [Theory]
    [MemberData(nameof(Rooms))]
    public void A_room_refers_only_to_rooms_the_table_allows(string room) =>
        Assert.Empty(References(room, "ProjectReference").Select(p => Path.GetFileNameWithoutExtension(p)!).Except(Arrows[room]));

    [Theory]
    [MemberData(nameof(Rooms))]
    public void A_room_uses_only_packages_whose_gate_it_is(string room) =>
        Assert.Empty(References(room, "PackageReference").Except(Packages.GetValueOrDefault(room, [])));

    [Fact]
    public void Native_imports_stand_only_in_the_rooms_that_own_them()
    {
        var importers = Tree.Sources("src")
            .Where(p => Tree.Read(p).Contains("[LibraryImport", StringComparison.Ordinal))
            .Select(p => p.Split('/')[1])
            .Distinct();
        // SmartCard: PC/SC. Gateway and HsmAdapter: fsync of a directory, which .NET can't open.
        Assert.Equal(["Gateway", "HsmAdapter", "SmartCard"], importers);
    }

    [Fact]
    public void Only_the_protector_makes_sendable_messages()
    {
        var makers = Tree.Sources("src")
            .Where(p => Tree.Read(p).Contains("new SendableMessage(", StringComparison.Ordinal))
            .Select(p => p.Split('/')[1])
            .Distinct();
        Assert.Equal(["MailProtection"], makers);
    }

    private static IEnumerable<string> References(string room, string element) =>
        XDocument.Load(Path.Combine(Tree.Root, "src", room, room + ".csproj"))
            .Descendants(element)
            .Select(e => e.Attribute("Include")!.Value.Replace('\\', '/'));
}
