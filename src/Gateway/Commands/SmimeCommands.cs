using System.CommandLine;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Configuration;
using GatewaySecure.Gateway.Hosting;
using GatewaySecure.Gateway.Protection;
using GatewaySecure.HsmAdapter;

namespace GatewaySecure.Gateway.Commands;

/// <summary><c>gateway smime</c>: the organisation's own S/MIME keys.</summary>
internal static class SmimeCommands
{
    private const string Signing = "signing";
    private const string Opening = "opening";

    public static Command Create()
    {
        var state = CommonOptions.State();
        var domain = new Option<string>("--domain") { Description = "The organisation's domain.", Required = true };
        var use = new Option<string>("--for") { Description = "signing (outgoing mail) or opening (mail from outside, encrypted to the organisation).", DefaultValueFactory = _ => Signing };
        use.AcceptOnlyFromAmong(Signing, Opening);
        var keyName = new Option<string>("--name") { Description = "Of the key for opening; another name is another key.", DefaultValueFactory = _ => OpeningKeyConfiguration.DefaultName };
        var rsa = new Option<bool>("--rsa") { Description = "A request for the RSA-3072 signing key; otherwise for the ECDSA P-256 key, which is faster." };
        var csr = new Command("csr", """
            Prints a certificate request (PEM) for a key of the organisation, which stays in the vault.
            Give it to your CA, and name the certificate it returns in 'signing' or 'opening' of the configuration.

            Examples:
              gateway smime csr --domain example.org --state /var/lib/gatewaysecure > signing.csr
              gateway smime csr --for opening --name mail-2027 --domain example.org --state /var/lib/gatewaysecure > opening.csr
            """)
        { state, domain, use, keyName, rsa };
        csr.SetAction(parsed =>
        {
            if (!DomainName.TryParse(parsed.GetValue(domain), out var name))
            {
                Console.Error.WriteLine($"'{parsed.GetValue(domain)}' is not a domain name.");
                return ExitCode.Problem;
            }
            using var vault = KeyVaults.Open(null, StateDirectory.Open(parsed.GetValue(state)!).Root, TimeProvider.System);
            Console.Error.WriteLine($"The key is in the {vault.Description}.");
            Console.Write(parsed.GetValue(use) == Opening
                ? OpeningKeyFiles.Request(vault, parsed.GetValue(keyName)!, name)
                : OrganisationSigner.Request(vault, name, parsed.GetValue(rsa)));
            return ExitCode.Success;
        });
        return new Command("smime", "The organisation's S/MIME keys.") { csr };
    }
}
