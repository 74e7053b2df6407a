using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Net;
using System.Security.Cryptography;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Receiving;
using GatewaySecure.MailAuthentication.Dkim;
using GatewaySecure.Settings;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>Reads <c>authentication</c>, <c>dkim</c> and <c>arc</c>.</summary>
internal static class AuthenticationReader
{
    /// <summary>Null where mail is not examined.</summary>
    public static AuthenticationConfiguration? Read(ConfigurationSection top)
    {
        if (top.Section("authentication", ConfigurationKeys.Authentication) is not { } section)
            return null;
        return new AuthenticationConfiguration(
            section.Optional<DomainName?>("authserv-id", ValueParsers.Domain!, null)?.Ascii,
            section.Optional(
                "dmarc",
                ValueParsers.Word(("report", DmarcHandling.Report), ("hold", DmarcHandling.Hold), ("reject", DmarcHandling.Reject)),
                DmarcHandling.Report),
            section.List<IPNetwork>("exempt-networks", ValueParsers.Network, mayBeEmpty: true),
            section.List<DomainName>("trusted-arc-sealers", ValueParsers.Domain!, mayBeEmpty: true).Select(d => d.Ascii).ToFrozenSet());
    }

    public static ImmutableArray<DkimKeyConfiguration> ReadKeys(ConfigurationSection top)
    {
        var keys = ImmutableArray.CreateBuilder<DkimKeyConfiguration>();
        foreach (var section in top.Sections("dkim", ConfigurationKeys.Dkim))
            keys.Add(ReadKey(section, keys, mustBeRsa: false));
        return keys.ToImmutable();
    }

    /// <summary>Null where nothing is sealed.</summary>
    public static DkimKeyConfiguration? ReadArc(ConfigurationSection top)
    {
        if (top.Section("arc", ConfigurationKeys.Dkim) is not { } section)
            return null;
        if (!top.Has("authentication"))
            top.Problem("arc", "needs the section 'authentication': what is sealed is what was found there");
        return ReadKey(section, [], mustBeRsa: true);
    }

    private static DkimKeyConfiguration ReadKey(ConfigurationSection section, IEnumerable<DkimKeyConfiguration> others, bool mustBeRsa)
    {
        var domain = section.Required<DomainName>("domain", ValueParsers.Domain!);
        var selector = section.Required<string>("selector", ValueParsers.Text!);
        var file = section.RequiredFile("key");
        if (selector is not null && !DkimSigningKey.IsSelector(selector))
            section.Problem("selector", $"'{selector}' is not a name of letters, digits, hyphens and dots");
        else if (others.Any(k => k.Domain.Equals(domain) && k.Selector == selector))
            section.Problem("selector", $"'{selector}' is the selector of another key of {domain}");
        else if (domain is not null && selector is not null && File.Exists(file))
            CheckKey(section, domain, selector, file, mustBeRsa);
        return new DkimKeyConfiguration(domain!, selector!, file);
    }

    private static void CheckKey(ConfigurationSection section, DomainName domain, string selector, string file, bool mustBeRsa)
    {
        try
        {
            using var key = DkimSigningKey.FromPem(domain, selector, File.ReadAllText(file));
            if (mustBeRsa && key.Type != DkimKeyType.Rsa)
                section.Problem("key", $"{file} is no RSA key, and few verify seals with another; 'gateway dkim key' makes one");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            section.Problem("key", $"{file} can't be used: {e.Message} 'gateway dkim key' makes one.");
        }
    }
}
