using System.CommandLine;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Hosting;
using GatewaySecure.Gateway.Protection;
using GatewaySecure.HsmAdapter;

namespace GatewaySecure.Gateway.Commands;

/// <summary><c>gateway smime</c>: the organisation's signing key.</summary>
internal static class SmimeCommands
{
    public static Command Create()
    {
        var state = CommonOptions.State();
        var domain = new Option<string>("--domain") { Description = "The organisation's domain.", Required = true };
        var rsa = new Option<bool>("--rsa") { Description = "A request for the RSA-3072 key; otherwise for the ECDSA P-256 key, which is faster." };
        var csr = new Command("csr", """
            Prints a certificate request (PEM) for the organisation's signing key, which stays in the vault.
            Give it to your CA, and name the certificate it returns in 'signing' of the configuration.

            Example:
              gateway smime csr --domain example.org --state /var/lib/gatewaysecure > example.org.csr
            """)
        { state, domain, rsa };
        csr.SetAction(parsed =>
        {
            if (!DomainName.TryParse(parsed.GetValue(domain), out var name))
            {
                Console.Error.WriteLine($"'{parsed.GetValue(domain)}' is not a domain name.");
                return ExitCode.Problem;
            }
            using var vault = KeyVaults.Open(null, StateDirectory.Open(parsed.GetValue(state)!).Root, TimeProvider.System);
            Console.Error.WriteLine($"The key is in the {vault.Description}.");
            Console.Write(OrganisationSigner.Request(vault, name, parsed.GetValue(rsa)));
            return ExitCode.Success;
        });
        return new Command("smime", "The organisation's S/MIME signature.") { csr };
    }
}
