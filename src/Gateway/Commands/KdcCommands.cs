using System.CommandLine;
using System.Security.Cryptography;
using GatewaySecure.Gateway.Hosting;
using GatewaySecure.HsmAdapter;
using GatewaySecure.KdcCore;

namespace GatewaySecure.Gateway.Commands;

/// <summary><c>gateway kdc</c>: the gateway's standing with a KDC that runs elsewhere.</summary>
internal static class KdcCommands
{
    public static Command Create()
    {
        var config = CommonOptions.Config();
        var state = CommonOptions.State();
        var token = new Option<string>("--token-file")
        {
            Description = "A file whose first line is the token that 'kdc gateway token' printed; '-' reads it from standard input.",
            Required = true,
        };
        var enroll = new Command("enroll", """
            Fetches the gateway's master key from the KDC that kdc.server names, once, into the gateway's own vault. The KDC must have the
            gateway's TLS client certificate on record. A running gateway takes a new key at its next start.

            Example:
              gateway kdc enroll --config gateway.yaml --state /var/lib/gatewaysecure --token-file token.txt
            """)
        { config, state, token };
        enroll.SetAction((parsed, ct) => EnrollAsync(parsed.GetValue(config)!, parsed.GetValue(state)!, parsed.GetRequiredValue(token), ct));
        var transport = new Command("transport-key", """
            Prints the public key to which the KDC encrypts this gateway's master key (PEM). A KDC with an HSM sends nothing to a gateway whose key its
            security officer has not registered ('kdc vault trust').

            Example:
              gateway kdc transport-key --state /var/lib/gatewaysecure > gateway-transport.pem
            """)
        { config, state };
        transport.SetAction(async (parsed, ct) =>
        {
            if (CommonOptions.Load(parsed.GetValue(config)!) is not { } configuration)
                return ExitCode.Problem;
            try
            {
                using var vault = KeyVaults.Open(configuration.Vault, StateDirectory.Open(parsed.GetValue(state)!).Root, TimeProvider.System);
                var key = await vault.TransportKeyAsync(ct);
                Console.WriteLine(PemEncoding.WriteString("PUBLIC KEY", key));
                return ExitCode.Success;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException or InvalidDataException)
            {
                Console.Error.WriteLine(e.Message);
                return ExitCode.Problem;
            }
        });
        return new Command("kdc", "A KDC that runs elsewhere.") { enroll, transport };
    }

    private static async Task<int> EnrollAsync(string configFile, string stateDirectory, string tokenFile, CancellationToken cancellationToken)
    {
        if (CommonOptions.Load(configFile) is not { } configuration)
            return ExitCode.Problem;
        if (configuration.Kdc.Server is not { } server)
        {
            Console.Error.WriteLine("The configuration names no kdc.server: the KDC runs inside the gateway, and there is nothing to enrol.");
            return ExitCode.Problem;
        }
        try
        {
            var token = (tokenFile == "-" ? await Console.In.ReadLineAsync(cancellationToken) : File.ReadLines(tokenFile).FirstOrDefault())?.Trim() ?? "";
            var state = StateDirectory.Open(stateDirectory);
            using var vault = KeyVaults.Open(configuration.Vault, state.Root, TimeProvider.System);
            using var kdc = KdcAccess.Connect(server, TimeProvider.System);
            switch (await KdcAccess.EnrolAsync(kdc, vault, token, configuration.Kdc.Realm, state, cancellationToken))
            {
                case EnrolmentOutcome.Enrolled { Name: var name }:
                    Console.WriteLine($"Enrolled: principal {name.Principal}, key version {name.Kvno}, in the {vault.Description}.");
                    return ExitCode.Success;
                case EnrolmentOutcome.Refused { Reason: var reason }:
                    Console.Error.WriteLine($"The KDC refused: {reason}");
                    return ExitCode.Problem;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException or InvalidDataException)
        {
            Console.Error.WriteLine(e.Message);
        }
        return ExitCode.Problem;
    }
}
