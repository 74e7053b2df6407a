using System.CommandLine;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using GatewaySecure.Addresses;
using GatewaySecure.KdcCore;
using GatewaySecure.KdcServer.Operators;

namespace GatewaySecure.KdcServer.Commands;

/// <summary><c>kdc principal</c>: users, gateways and operators.</summary>
internal static class PrincipalCommands
{
    public static Command Create() => new("principal", """
        Users, gateways and operators of the realm. WHO is an id, a mail address or a name. Exit status: 0 done, 1 not done, with the reason.
        """)
    {
        List(), Show(), Add(), Certificate(), Card(), ImportCommands.Create(),
        Change("suspend", "No tickets to or from it until it is resumed.", "kdc principal suspend bob@example.org --reason \"card lost\"", needsReason: true,
            (work, who, reason, ct) => work.Administration.SuspendAsync(who.Id, reason!, ct)),
        Change("resume", "A suspended principal is in good standing again.", "kdc principal resume bob@example.org", needsReason: false,
            (work, who, _, ct) => work.Administration.ResumeAsync(who.Id, ct)),
        Change("revoke", "For ever: no tickets to or from it any more.", "kdc principal revoke bob@example.org --reason \"left\"", needsReason: true,
            (work, who, reason, ct) => work.Administration.RevokeAsync(who.Id, reason!, ct)),
        Delete(),
        Expire(),
    };

    /// <summary>Runs work on one principal and says what it is now.</summary>
    private static Task<int> OnOneAsync(
        (string Config, string State, string Who, bool Json) given, Func<OperatorWork, Principal, Task<Principal>> work, CancellationToken cancellationToken) =>
        OperatorWork.DoAsync(given.Config, given.State, async session =>
        {
            var changed = await work(session, await session.FindAsync(given.Who, cancellationToken));
            Print(changed, given.Json);
            using var ca = session.OpenCa();
            if (session.StandingOf(ca) is { } standing
                && await HolderCertificates.FollowAsync(
                    changed, standing, session.Keys.Database.Certificates, OperatorWork.Actor, TimeProvider.System.GetUtcNow(), cancellationToken) is > 0 and var certificates
                && !given.Json)
            {
                Console.WriteLine($"  {certificates} of its certificates follow; {(session.Configuration.ExternalCa is null ? "the next CRL says so" : "tell your CA ('kdc ca list' shows the serial numbers)")}.");
            }
            return ExitCode.Success;
        }, cancellationToken);

    private static void Print(Principal principal, bool json)
    {
        var view = PrincipalView.Of(principal, TimeProvider.System.GetUtcNow());
        Console.WriteLine(json ? JsonSerializer.Serialize(view, CommonOptions.Json) : view.Line);
    }

    private static Command List()
    {
        var (config, state, json) = (CommonOptions.Config(), CommonOptions.State(), CommonOptions.AsJson());
        var all = new Option<bool>("--all") { Description = "Deleted ones too." };
        var command = new Command("list", """
            Lists principals by name.

            Example:
              kdc principal list --config kdc.yaml --state /var/lib/gatewaysecure-kdc --json
            """)
        { config, state, all, json };
        command.SetAction((parsed, ct) => OperatorWork.DoAsync(parsed.GetValue(config)!, parsed.GetValue(state)!, async work =>
        {
            var now = TimeProvider.System.GetUtcNow();
            var views = (await work.Administration.ListAsync(ct)).Where(p => p.DeletedAt is null || parsed.GetValue(all)).Select(p => PrincipalView.Of(p, now));
            if (parsed.GetValue(json))
                Console.WriteLine(JsonSerializer.Serialize(views, CommonOptions.Json));
            else
            {
                foreach (var view in views)
                    Console.WriteLine(view.Line);
            }
            return ExitCode.Success;
        }, ct));
        return command;
    }

    private static Command Show()
    {
        var (config, state, json, who) = (CommonOptions.Config(), CommonOptions.State(), CommonOptions.AsJson(), Who());
        var command = new Command("show", """
            Shows all that is on record of one principal, except keys.

            Example:
              kdc principal show bob@example.org
            """)
        { who, config, state, json };
        command.SetAction((parsed, ct) => OperatorWork.DoAsync(parsed.GetValue(config)!, parsed.GetValue(state)!, async work =>
        {
            var view = PrincipalView.Of(await work.FindAsync(parsed.GetRequiredValue(who), ct), TimeProvider.System.GetUtcNow());
            Console.WriteLine(parsed.GetValue(json) ? JsonSerializer.Serialize(view, CommonOptions.Json) : string.Join(Environment.NewLine, view.Lines()));
            return ExitCode.Success;
        }, ct));
        return command;
    }

    private static Command Add()
    {
        var (config, state, json) = (CommonOptions.Config(), CommonOptions.State(), CommonOptions.AsJson());
        var kind = new Option<PrincipalKind>("--kind") { Description = "user, gateway or operator.", DefaultValueFactory = _ => PrincipalKind.User };
        var name = new Option<string>("--name") { Description = "For people to read; unique among gateways.", Required = true };
        var addresses = new Option<string[]>("--address") { Description = "A user's mail address; may stand several times.", DefaultValueFactory = _ => [] };
        var domains = new Option<string[]>("--domain") { Description = "A gateway's sender domain; may stand several times.", DefaultValueFactory = _ => [] };
        var certificates = new Option<string[]>("--certificate") { Description = "PEM: a gateway's TLS client certificate, or that of an operator's card.", DefaultValueFactory = _ => [] };
        var (from, end) = Validity();
        var command = new Command("add", """
            Adds a principal. A user's key comes with his card; a gateway's with 'kdc gateway token'.

            Examples:
              kdc principal add --name "Bob Example" --address bob@example.org --expires 2028-01-01
              kdc principal add --kind gateway --name gateway.example.org --domain example.org --certificate gateway.pem
            """)
        { config, state, kind, name, addresses, domains, certificates, from, end, json };
        command.SetAction((parsed, ct) => OperatorWork.DoAsync(parsed.GetValue(config)!, parsed.GetValue(state)!, async work =>
        {
            var hashes = parsed.GetValue(certificates)!.Select(Fingerprint).ToList();
            var activeFrom = parsed.GetValue(from) is { } f ? OperatorWork.Date(f) : (DateTimeOffset?)null;
            var expires = parsed.GetValue(end) is { } e ? OperatorWork.Date(e) : (DateTimeOffset?)null;
            var added = await work.Administration.CreateAsync(
                parsed.GetValue(kind),
                parsed.GetRequiredValue(name),
                parsed.GetValue(addresses)!.Select(MailAddress.Parse),
                parsed.GetValue(domains)!.Select(DomainName.Parse),
                expires,
                ct);
            if (activeFrom is not null)
                added = await work.Administration.SetValidityAsync(added.Id, activeFrom, expires, ct);
            if (hashes.Count > 0)
                added = await work.Administration.SetCertificatesAsync(added.Id, hashes, ct);
            Print(added, parsed.GetValue(json));
            return ExitCode.Success;
        }, ct));
        return command;
    }

    private static Command Certificate()
    {
        var (config, state, json, who) = (CommonOptions.Config(), CommonOptions.State(), CommonOptions.AsJson(), Who());
        var files = new Argument<string[]>("FILE") { Description = "PEM, in place of those before; two while one is exchanged.", Arity = ArgumentArity.OneOrMore };
        var command = new Command("certificate", """
            Puts on record with which TLS client certificates a gateway may come, or with which cards an operator.

            Example:
              kdc principal certificate gateway.example.org new.pem old.pem
            """)
        { who, files, config, state, json };
        command.SetAction((parsed, ct) => OnOneAsync(
            (parsed.GetValue(config)!, parsed.GetValue(state)!, parsed.GetRequiredValue(who), parsed.GetValue(json)),
            (work, gateway) => work.Administration.SetCertificatesAsync(gateway.Id, parsed.GetRequiredValue(files).Select(Fingerprint), ct).AsTask(),
            ct));
        return command;
    }

    private static Command Card()
    {
        var (config, state, json, who) = (CommonOptions.Config(), CommonOptions.State(), CommonOptions.AsJson(), Who());
        var file = new Argument<string>("FILE") { Description = "PEM: a certificate or public key on P-256, as the card made it." };
        var serial = new Option<string>("--card") { Description = "What to call the card in the audit, such as its serial number.", Required = true };
        var command = new Command("card", """
            Registers a user's card without an AES slot by the public key that it made for tickets: the user's next key version. Not post-quantum: what goes to
            such a card rests on ECDH.

            Example:
              kdc principal card bob@example.org card-95.pem --card 12345678
            """)
        { who, file, serial, config, state, json };
        command.SetAction((parsed, ct) => OnOneAsync(
            (parsed.GetValue(config)!, parsed.GetValue(state)!, parsed.GetRequiredValue(who), parsed.GetValue(json)),
            (work, user) => work.Administration.RegisterCardAsync(user.Id, parsed.GetRequiredValue(serial), Point(parsed.GetRequiredValue(file)), ct).AsTask(),
            ct));
        return command;
    }

    /// <exception cref="FormatException">It is no key on P-256.</exception>
    private static byte[] Point(string file)
    {
        var pem = File.ReadAllText(file);
        using var certificate = pem.Contains("BEGIN CERTIFICATE", StringComparison.Ordinal) ? X509Certificate2.CreateFromPem(pem) : null;
        using var key = certificate is null ? ECDsa.Create() : certificate.GetECDsaPublicKey();
        if (certificate is null)
            key!.ImportFromPem(pem);
        return key is { KeySize: 256 } && key.ExportParameters(false).Q is { X: { } x, Y: { } y }
            ? [4, .. x, .. y]
            : throw new FormatException($"{file} holds no key on P-256.");
    }

    private static Command Change(
        string name,
        string what,
        string example,
        bool needsReason,
        Func<OperatorWork, Principal, string?, CancellationToken, ValueTask<Principal>> work)
    {
        var (config, state, json, who) = (CommonOptions.Config(), CommonOptions.State(), CommonOptions.AsJson(), Who());
        var reason = new Option<string>("--reason") { Description = "Why; stands in the record and the audit.", Required = true };
        var command = new Command(name, $"""
            {what}

            Example:
              {example}
            """)
        { who, config, state, json };
        if (needsReason)
            command.Options.Add(reason);
        command.SetAction((parsed, ct) => OnOneAsync(
            (parsed.GetValue(config)!, parsed.GetValue(state)!, parsed.GetRequiredValue(who), parsed.GetValue(json)),
            (session, principal) => work(session, principal, needsReason ? parsed.GetRequiredValue(reason) : null, ct).AsTask(),
            ct));
        return command;
    }

    private static Command Delete()
    {
        var (config, state, json, who) = (CommonOptions.Config(), CommonOptions.State(), CommonOptions.AsJson(), Who());
        var reason = new Option<string>("--reason") { Description = "Why; stands in the record and the audit.", Required = true };
        var forget = new Option<bool>("--forget")
        {
            Description = "Name and addresses go too, and the key under which they stand in the audit: unreadable there, and the chain still holds.",
        };
        var command = new Command("delete", """
            For ever: revoked and hidden, its addresses free for others; the record and its history stay.

            Examples:
              kdc principal delete bob@example.org --reason "created by mistake"
              kdc principal delete bob@example.org --reason "left, asked to be forgotten" --forget
            """)
        { who, config, state, reason, forget, json };
        command.SetAction((parsed, ct) => OnOneAsync(
            (parsed.GetValue(config)!, parsed.GetValue(state)!, parsed.GetRequiredValue(who), parsed.GetValue(json)),
            (work, principal) => work.Administration.DeleteAsync(principal.Id, parsed.GetRequiredValue(reason), ct, parsed.GetValue(forget)).AsTask(),
            ct));
        return command;
    }

    private static Command Expire()
    {
        var (config, state, json, who) = (CommonOptions.Config(), CommonOptions.State(), CommonOptions.AsJson(), Who());
        var (from, end) = Validity();
        var command = new Command("expire", """
            Sets from when and until when a principal is in good standing; without a date that bound falls away.

            Examples:
              kdc principal expire bob@example.org --expires now
              kdc principal expire carol@example.org --active-from 2027-03-01 --expires 2028-03-01
            """)
        { who, config, state, from, end, json };
        command.SetAction((parsed, ct) => OnOneAsync(
            (parsed.GetValue(config)!, parsed.GetValue(state)!, parsed.GetRequiredValue(who), parsed.GetValue(json)),
            (work, principal) => work.Administration.SetValidityAsync(
                principal.Id,
                parsed.GetValue(from) is { } f ? OperatorWork.Date(f) : null,
                parsed.GetValue(end) is { } e ? OperatorWork.Date(e) : null,
                ct).AsTask(),
            ct));
        return command;
    }

    private static (Option<string?> From, Option<string?> End) Validity() => (
        new("--active-from") { Description = "2027-01-31: not in good standing before that day begins (UTC)." },
        new("--expires") { Description = "2028-01-31: not in good standing from the beginning of that day on (UTC); or 'now'." });

    private static Argument<string> Who() => new("WHO") { Description = "Id, mail address or name." };

    private static string Fingerprint(string file)
    {
        using var certificate = X509CertificateLoader.LoadCertificateFromFile(file);
        return certificate.GetCertHashString(HashAlgorithmName.SHA256);
    }
}
