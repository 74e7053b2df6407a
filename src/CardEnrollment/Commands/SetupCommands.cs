using System.CommandLine;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.CardEnrollment.Issuing;
using GatewaySecure.CardEnrollment.Station;
using GatewaySecure.Cards;
using GatewaySecure.KdcCore;
using GatewaySecure.SmartCard;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.CardEnrollment.Commands;

/// <summary>What is done once: <c>cardstation init</c> for a station, <c>cardstation operator-card</c> for an operator; and <c>session</c>, which tries both.</summary>
internal static class SetupCommands
{
    private static readonly TimeSpan OperatorCardLifetime = TimeSpan.FromDays(730);

    public static IEnumerable<Command> Create()
    {
        yield return Init();
        yield return OperatorCard();
        yield return Session();
    }

    private static Command Init()
    {
        var server = new Option<string>("--server") { Description = "The KDC server: https://kdc.example.org:8440", Required = true };
        var realm = new Option<string>("--realm") { Description = "The realm that it serves.", Required = true };
        var trust = new Option<string>("--trust") { Description = "PEM: the server's certificate, or the authority that it is from.", Required = true };
        var passphrase = new Option<string?>("--passphrase-file") { Description = "First line: what encrypts the station's transport key, or the PIN of its token. Without it, it is asked for." };
        var module = new Option<string?>("--module") { Description = "PKCS #11 module: the transport key is made on a token and stays there." };
        var command = new Command("init", """
            Makes this machine a station: which server it works with, pinned, and its transport key, under which keys leave the vault for it. A vault in an HSM lets none out
            before its security officer registered the key.

            Example:
              cardstation init --server https://kdc.example.org:8440 --realm example.org --trust kdc.pem
              kdc vault trust transport-key.pub.pem        # on the KDC, with the security officer's PIN
            """)
        { server, realm, trust, passphrase, module, StationOptions.Token, StationOptions.Folder };
        command.SetAction((parsed, _) => Guard.RunAsync(() =>
        {
            var folder = Path.GetFullPath(parsed.GetRequiredValue(StationOptions.Folder));
            if (!Uri.TryCreate(parsed.GetRequiredValue(server), UriKind.Absolute, out var url) || url.Scheme != Uri.UriSchemeHttps)
                throw new FormatException($"--server '{parsed.GetRequiredValue(server)}' is not an address such as https://kdc.example.org:8440.");
            if (!Realm.TryParse(parsed.GetRequiredValue(realm), out var name))
                throw new FormatException($"--realm '{parsed.GetRequiredValue(realm)}' is not a realm: it is written like a domain name, in lower case.");
            var pem = Trusted(parsed.GetRequiredValue(trust));
            var onToken = parsed.GetValue(module);
            var secret = NewSecret(parsed.GetValue(passphrase), onToken is not null);
            try
            {
                var to = new StationServer(url, name, pem);
                var made = onToken is null
                    ? StationFolder.Create(folder, to, secret)
                    : StationFolder.CreateOnToken(folder, to, onToken, parsed.GetValue(StationOptions.Token), secret);
                Console.WriteLine($"The station's transport key: {made.TransportKeyFile}");
                Console.WriteLine($"SHA-256: {Convert.ToHexStringLower(SHA256.HashData(made.PublicKey))}");
                Console.WriteLine("Where the KDC's vault is an HSM, its security officer registers it: kdc vault trust FILE");
            }
            finally
            {
                Array.Clear(secret);
            }
            return Task.FromResult(ExitStatus.Done);
        }));
        return command;
    }

    private static Command OperatorCard()
    {
        var name = new Option<string>("--name") { Description = "The operator's name, for the certificate.", Required = true };
        var output = new Option<string>("--certificate-out") { Description = "PEM file for the certificate: 'kdc principal add --kind operator --certificate FILE' puts it on record.", Required = true };
        var pin = new Option<string?>("--pin-file") { Description = "First line: the operator's new PIN. Without it, it is asked for, twice." };
        var letter = new Option<string?>("--letter") { Description = "File for the card's other new codes, readable by you alone; without it they are printed." };
        var adminPin = new Option<string?>("--admin-pin-file") { Description = "First line: the card's present administrator code, where it is not the factory's; always for a token, whose security officer's PIN it is." };
        var command = new Command("operator-card", """
            Makes an operator's card of a new one: a key for log-on, made on the card, with a certificate that the card itself signed. The KDC goes by its record, not by an authority.

            Example:
              cardstation operator-card --name "Olga Operator" --certificate-out olga.pem
              kdc principal add --kind operator --name "Olga Operator" --certificate olga.pem       # on the KDC
            """)
        { name, output, pin, letter, adminPin }.WithCard();
        command.SetAction((parsed, ct) => Guard.RunAsync(async () =>
        {
            using var connection = CardConnection.Open(StationOptions.Card(parsed));
            var card = connection.Card;
            var chosen = NewSecret(parsed.GetValue(pin), isOld: false, "The operator's new PIN");
            if (PinLife.Objection(card.Kind, CardPin.User, chosen) is { } objection)
                throw new ArgumentException(objection);
            var present = parsed.GetValue(adminPin) is { } file ? new string(StationOptions.Secret(file, "")) : Factory(card.Kind);
            using var certificate = MakeOperatorCard(card, parsed.GetRequiredValue(name), new string(chosen), present, parsed.GetValue(letter));
            await File.WriteAllTextAsync(parsed.GetRequiredValue(output), certificate.ExportCertificatePem(), ct);
            return ExitStatus.Done;
        }));
        return command;
    }

    private static string Factory(CardKind kind) => kind switch
    {
        CardKind.Piv => VirtualPivCard.DefaultManagementKey,
        CardKind.OpenPgp => VirtualOpenPgpCard.DefaultAdminPin,
        _ => throw new FormatException("A token needs its security officer's PIN: --admin-pin-file."),
    };

    private static X509Certificate2 MakeOperatorCard(IIssuableCard card, string name, string pin, string adminPin, string? letterFile)
    {
        using var session = card.BeginSession();
        var codes = new CardCodeSet(card, pin);
        codes.Open([new CardCodes(adminPin, VirtualPivCard.DefaultUnblockingPin)]);
        var keys = new CardKeySet(card, TimeProvider.System);
        card.PutHolderName(name);
        keys.Make(CardUse.Authenticate, CardKeyAlgorithm.P256);
        codes.ForUse(CardUse.Authenticate);
        var now = TimeProvider.System.GetUtcNow();
        var certificate = keys.SelfSigned(CardUse.Authenticate, name, now.AddMinutes(-5), now + OperatorCardLifetime);
        codes.ForIssuing();
        card.PutCertificate(keys.SlotOf(CardUse.Authenticate), certificate.RawData);
        var fresh = new CardCodes(
            card.Kind == CardKind.Piv ? RandomNumberGenerator.GetHexString(48) : RandomNumberGenerator.GetString("0123456789", 12),
            card.Kind == CardKind.Token ? null : RandomNumberGenerator.GetString("0123456789", 8));
        Letters.Deliver(
            $"Operator's card {card.Describe().Serial} of {name}\nAdministrator's code: {fresh.Administrator}\n"
            + (fresh.Unblocking is { } code ? $"Unblocking code:      {code}\n" : ""), letterFile);
        codes.Change(fresh);
        return certificate;
    }

    private static Command Session()
    {
        var hold = new Option<bool>("--hold") { Description = "Stays logged on until Ctrl-C, or the card is pulled." };
        var command = new Command("session", """
            Logs on with the operator's card, and says who, where and on which vault. Ends at both sides within a second when the card is pulled.

            Example:
              cardstation session --hold
            """)
        { hold }.WithSession();
        command.SetAction((parsed, ct) => StationOptions.InSessionAsync(parsed, async (place, ended) =>
        {
            var facts = place.Session.Facts;
            place.Tell(
                $"operator  {facts.OperatorName} ({facts.Operator})\nrealm     {facts.Realm}\nvault     {facts.Vault}{(facts.ForTrials ? "  FOR TRIALS" : "")}",
                new { facts.Operator, facts.OperatorName, facts.Realm, facts.Vault, facts.ForTrials });
            if (parsed.GetValue(hold))
            {
                try
                {
                    await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, ended);
                }
                catch (OperationCanceledException) when (ct.IsCancellationRequested)
                {
                    // Ctrl-C: logs off.
                }
            }
            return ExitStatus.Done;
        }, ct));
        return command;
    }

    private static string Trusted(string file)
    {
        var certificates = new X509Certificate2Collection();
        certificates.ImportFromPemFile(file);
        return certificates.Count > 0 ? string.Join('\n', certificates.Select(c => c.ExportCertificatePem())) : throw new IOException($"{file} holds no certificate.");
    }

    /// <summary>What is new is typed twice.</summary>
    private static char[] NewSecret(string? file, bool isOld, string what = "Passphrase of the station's transport key")
    {
        var first = StationOptions.Secret(file, isOld ? "PIN of the station's token: " : what + ": ");
        if (file is not null || isOld)
            return first;
        var again = StationOptions.Secret(null, what + ", again: ");
        return first.AsSpan().SequenceEqual(again) ? first : throw new IOException("The two are different; nothing was done.");
    }
}
