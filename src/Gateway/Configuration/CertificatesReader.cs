using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Addresses;
using GatewaySecure.Policies;
using GatewaySecure.Settings;
using GatewaySecure.Trust.Revocation;
using GatewaySecure.TrustFetch;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>Reads <c>certificates</c> and <c>signing</c>.</summary>
internal static class CertificatesReader
{
    private static readonly string[] s_times = ["grace", "wait"];

    public static CertificatesConfiguration Read(ConfigurationSection top)
    {
        var defaults = new CertificatesConfiguration();
        if (top.Section("certificates", ConfigurationKeys.Certificates) is not { } section)
            return defaults;
        var general = ReadRule(section, defaults.Revocation);
        return new CertificatesConfiguration
        {
            Recipients = section.OptionalFolder("recipients"),
            Trust = section.OptionalFolder("trust"),
            Intermediates = section.OptionalFolder("intermediates"),
            Crls = section.OptionalFolder("crls"),
            Revocation = general,
            Authorities = ReadAuthorities(section, general),
            Fetch = ReadFetch(section),
            Notify = section.Optional<MailAddress?>("notify", ValueParsers.Address!, null),
            WarnBefore = section.Optional<TimeSpan>("warn-before", ValueParsers.Duration, defaults.WarnBefore),
            MinimumRsaBits = section.Optional("minimum-rsa-bits", ValueParsers.Number(2048, 16384), defaults.MinimumRsaBits),
            GcmReaders = section.List<AddressPattern>("gcm-readers", MailValues.Pattern!, mayBeEmpty: true),
            DomainCertificates = section.List<AddressPattern>("domain-certificates", MailValues.Pattern!, mayBeEmpty: true),
        };
    }

    private static RevocationRule ReadRule(ConfigurationSection section, RevocationRule otherwise)
    {
        var rule = new RevocationRule(
            section.Optional(
                "revocation",
                ValueParsers.Word(("off", RevocationPolicy.Off), ("where-known", RevocationPolicy.WhereKnown), ("required", RevocationPolicy.Required)),
                otherwise.Policy),
            section.Optional<TimeSpan>("grace", ValueParsers.Duration, otherwise.Grace),
            section.Optional<TimeSpan>("wait", ValueParsers.Duration, otherwise.Wait));
        // What stands for all may be meant for the authorities that inherit it.
        foreach (var name in s_times.Where(n => section.Has(n) && rule.Policy != RevocationPolicy.Required && !section.Has("authorities")))
            section.Warning(name, "has no effect without 'revocation: required'");
        return rule;
    }

    private static ImmutableArray<AuthorityConfiguration> ReadAuthorities(ConfigurationSection section, RevocationRule general)
    {
        var authorities = ImmutableArray.CreateBuilder<AuthorityConfiguration>();
        foreach (var entry in section.Sections("authorities", ConfigurationKeys.Authority))
        {
            var name = entry.Required<X500DistinguishedName>("name", Name!);
            if (name is not null && authorities.Any(a => a.Name?.Name == name.Name))
                entry.Problem("name", $"'{name.Name}' has an entry already");
            authorities.Add(new(
                name!, ReadRule(entry, general), entry.List<Uri>("crls", Address!),
                entry.Has("every") ? entry.Optional<TimeSpan>("every", ValueParsers.Duration, default) : null));
        }
        return authorities.ToImmutable();
    }

    private static FetchConfiguration ReadFetch(ConfigurationSection top)
    {
        var defaults = new FetchConfiguration();
        if (top.Section("fetch", ConfigurationKeys.Fetch) is not { } section)
            return defaults;
        return new FetchConfiguration
        {
            NamedCrls = section.Optional<bool>("named-crls", ValueParsers.Switch, defaults.NamedCrls),
            Ocsp = section.Optional<bool>("ocsp", ValueParsers.Switch, defaults.Ocsp),
            PrivateAddresses = section.Optional<bool>("private-addresses", ValueParsers.Switch, defaults.PrivateAddresses),
            Crls = section.List<Uri>("crls", Address!, mayBeEmpty: true),
            Every = section.Optional<TimeSpan>("every", ValueParsers.Duration, defaults.Every),
            MaximumOctets = section.Optional<long>("max-size", ValueParsers.Size, defaults.MaximumOctets),
            Timeout = section.Optional<TimeSpan>("timeout", ValueParsers.TimeLimit, defaults.Timeout),
        };
    }

    private static bool Name(string text, [NotNullWhen(true)] out X500DistinguishedName? value, [NotNullWhen(false)] out string? problem)
    {
        try
        {
            (value, problem) = (new X500DistinguishedName(text), null);
            return true;
        }
        catch (CryptographicException)
        {
            (value, problem) = (null, "is no distinguished name, such as CN=Partner CA, O=Partner");
            return false;
        }
    }

    private static bool Address(string text, [NotNullWhen(true)] out Uri? value, [NotNullWhen(false)] out string? problem)
    {
        var good = Uri.TryCreate(text, UriKind.Absolute, out value) && FetchSource.IsFetchable(value);
        problem = good ? null : "is no address to fetch from, such as http://pki.partner.example/ca.crl or ldap://directory.partner.example/cn=CA,o=Partner?certificateRevocationList";
        return good;
    }

    public static SigningConfiguration ReadSigning(ConfigurationSection top)
    {
        if (top.Section("signing", ConfigurationKeys.Signing) is not { } section)
            return new SigningConfiguration();
        return new SigningConfiguration(
            section.Optional<bool>("sign", ValueParsers.Switch, true),
            section.OptionalFile("certificate"),
            section.OptionalFile("chain"),
            section.Optional<RSASignaturePadding?>(
                "rsa-padding", ValueParsers.Word<RSASignaturePadding?>(("pkcs1", RSASignaturePadding.Pkcs1), ("pss", RSASignaturePadding.Pss)), null));
    }
}
