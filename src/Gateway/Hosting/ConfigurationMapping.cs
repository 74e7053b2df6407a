using System.Security.Cryptography;
using GatewaySecure.Gateway.Configuration;
using GatewaySecure.Gateway.Protection;
using GatewaySecure.HsmAdapter;
using GatewaySecure.MailProtection;
using GatewaySecure.MailProtection.Recipients;
using GatewaySecure.Trust.Revocation;

namespace GatewaySecure.Gateway.Hosting;

/// <summary>From what the configuration says to what each part of the gateway goes by. The one place that knows both: here protection and trust, in the other parts what is received and what is delivered.</summary>
internal static partial class ConfigurationMapping
{
    public static DirectoryFolders CertificateFolders(this GatewayConfiguration configuration, StateDirectory state)
    {
        var certificates = configuration.Certificates;
        return new DirectoryFolders
        {
            Recipients = [certificates.Recipients ?? state.Recipients],
            Anchors = [certificates.Trust ?? state.Anchors],
            Intermediates = certificates.Intermediates is { } folder ? [folder] : [],
            RevocationLists = [certificates.Crls ?? state.RevocationLists, state.FetchedLists],
            Answers = [state.FetchedAnswers],
        };
    }

    public static TrustOptions TrustOptions(this GatewayConfiguration configuration) => new()
    {
        Revocation = new RevocationRules(
            configuration.Certificates.Revocation, configuration.Certificates.Authorities.Select(a => KeyValuePair.Create(a.Name, a.Rule))),
        MinimumRsaBits = configuration.Certificates.MinimumRsaBits,
        HasDomainCertificate = address => configuration.Certificates.DomainCertificates.Any(p => p.Matches(address)),
        ReadsGcm = address => configuration.Certificates.GcmReaders.Any(p => p.Matches(address)),
    };

    public static SmimeSigner? OpenSigner(this GatewayConfiguration configuration, IKeyVault vault, StateDirectory state, DateTimeOffset now) =>
        configuration.Signing.Sign
            ? OrganisationSigner.Open(
                vault,
                configuration.Signing.Certificate,
                configuration.Signing.Chain,
                configuration.Signing.Padding ?? RSASignaturePadding.Pkcs1,
                state.OrganisationCertificate,
                configuration.OrganisationDomains[0],
                now)
            : null;
}
