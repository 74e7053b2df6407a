using GatewaySecure.Policies;
using GatewaySecure.Settings;
using GatewaySecure.Trust.Revocation;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>Reads <c>certificates</c> and <c>signing</c>.</summary>
internal static class CertificatesReader
{
    public static CertificatesConfiguration Read(ConfigurationSection top)
    {
        var defaults = new CertificatesConfiguration();
        if (top.Section("certificates", ConfigurationKeys.Certificates) is not { } section)
            return defaults;
        return new CertificatesConfiguration
        {
            Recipients = section.OptionalFolder("recipients"),
            Trust = section.OptionalFolder("trust"),
            Intermediates = section.OptionalFolder("intermediates"),
            Crls = section.OptionalFolder("crls"),
            Revocation = section.Optional(
                "revocation",
                ValueParsers.Word(("off", RevocationPolicy.Off), ("where-known", RevocationPolicy.WhereKnown), ("required", RevocationPolicy.Required)),
                defaults.Revocation),
            MinimumRsaBits = section.Optional("minimum-rsa-bits", ValueParsers.Number(2048, 16384), defaults.MinimumRsaBits),
            GcmReaders = section.List<AddressPattern>("gcm-readers", MailValues.Pattern!, mayBeEmpty: true),
        };
    }

    public static SigningConfiguration ReadSigning(ConfigurationSection top)
    {
        if (top.Section("signing", ConfigurationKeys.Signing) is not { } section)
            return new SigningConfiguration();
        return new SigningConfiguration(
            section.Optional<bool>("sign", ValueParsers.Switch, true), section.OptionalFile("certificate"), section.OptionalFile("chain"));
    }
}
