using GatewaySecure.Pkcs11;
using GatewaySecure.Settings;

namespace GatewaySecure.HsmAdapter;

/// <summary>The section <c>vault</c> of a server's configuration: where its keys are.</summary>
/// <param name="Hsm">Null: in software, for trials.</param>
public sealed record VaultSettings(HsmOptions? Hsm)
{
    /// <summary>Every key of the section.</summary>
    public static IReadOnlyCollection<string> Keys { get; } = ["kind", "module", "token", "serial", "pin-file", "sessions", "kept-keys"];

    public static VaultSettings Software { get; } = new((HsmOptions?)null);

    /// <param name="top">The whole configuration.</param>
    public static VaultSettings Read(ConfigurationSection top)
    {
        ArgumentNullException.ThrowIfNull(top);
        if (top.Section("vault", Keys) is not { } section)
            return Software;
        var kind = section.Required<string>("kind", ValueParsers.Text!);
        if (kind == "pkcs11")
            return ReadHsm(section);
        if (kind is not null and not "software")
            section.Problem("kind", $"'{kind}' is no kind of vault: it is pkcs11, or software for trials");
        foreach (var key in Keys.Where(k => k != "kind" && section.Has(k)))
            section.Problem(key, "is for the kind pkcs11");
        return Software;
    }

    private static VaultSettings ReadHsm(ConfigurationSection section)
    {
        var label = section.Optional<string?>("token", ValueParsers.Text!, null);
        var serial = section.Optional<string?>("serial", ValueParsers.Text!, null);
        if (label is null && serial is null)
            section.Problem("token", "is missing: the token's label, or 'serial', its serial number");
        return new VaultSettings(new HsmOptions(
            section.RequiredFile("module"), new TokenSelector(label, serial), section.RequiredFile("pin-file"),
            section.Optional("sessions", ValueParsers.Number(1, 256), 8), section.Optional("kept-keys", ValueParsers.Number(0, 65_536), 0)));
    }
}
