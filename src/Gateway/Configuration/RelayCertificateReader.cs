using System.Collections.Immutable;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Receiving;
using GatewaySecure.Settings;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>Reads <c>relay-certificates</c>: who may relay because of a client certificate.</summary>
internal static class RelayCertificateReader
{
    /// <summary>By name.</summary>
    public static Dictionary<string, RelayCertificate> Read(ConfigurationSection top)
    {
        var entries = new Dictionary<string, RelayCertificate>(StringComparer.Ordinal);
        foreach (var section in top.Sections("relay-certificates", ConfigurationKeys.RelayCertificate))
        {
            var name = section.Required<string>("name", ValueParsers.Text!) ?? "";
            var fingerprints = section.List<string>("fingerprint", ValueParsers.Fingerprint!);
            var authorities = ReadAuthorities(section);
            var names = section.List<string>("names", ValueParsers.Text!);
            if (!section.Has("fingerprint") && !section.Has("ca"))
                section.Problem("name", "needs a fingerprint, or a ca with names");
            if (section.Has("ca") != section.Has("names"))
                section.Problem(section.Has("ca") ? "ca" : "names", "a ca and the names that its certificates must hold belong together");
            foreach (var bad in names.Where(n => !IsMailbox(n) && !DomainName.TryParse(n, out _)))
                section.Problem("names", $"'{bad}' is neither a DNS name nor a mail address; patterns are not possible");
            var entry = new RelayCertificate(
                name,
                fingerprints,
                authorities,
                [.. names.Select(n => !IsMailbox(n) && DomainName.TryParse(n, out var host) ? host : null).OfType<DomainName>()],
                [.. names.Select(n => MailAddress.TryParse(n, out var address) ? address : null).OfType<MailAddress>()],
                section.Optional<bool>("relay-evidence", ValueParsers.Switch, false));
            if (!entries.TryAdd(name, entry))
                section.Problem("name", $"'{name}' is the name of another entry too");
        }
        return entries;
    }

    /// <summary>A name to its entry.</summary>
    public static ValueParser<RelayCertificate> NameOf(Dictionary<string, RelayCertificate> entries) =>
        ValueParsers.Word([.. entries.Select(e => (e.Key, e.Value))]);

    private static bool IsMailbox(string name) => MailAddress.TryParse(name, out _);

    private static ImmutableArray<X509Certificate2> ReadAuthorities(ConfigurationSection section)
    {
        if (section.OptionalFile("ca") is not { } file || CertificateFiles.Read(section, "ca", file) is not { } certificates)
            return [];
        if (!certificates.Any(c => c.SubjectName.RawData.AsSpan().SequenceEqual(c.IssuerName.RawData)))
            section.Problem("ca", "holds no self-signed certificate in PEM: give the root that issues your peers' certificates");
        return [.. certificates];
    }
}
