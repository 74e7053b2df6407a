using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using GatewaySecure.Addresses;
using GatewaySecure.CertificateAuthority;
using GatewaySecure.KdcCore;
using GatewaySecure.KdcServer.Hosting;
using GatewaySecure.KdcServer.Operators;

namespace GatewaySecure.KdcServer.Commands;

/// <summary><c>kdc ca</c>: the issuing CA, whose key is in the vault.</summary>
internal static class CaCommands
{
    private static readonly ImmutableArray<(string Word, CertificateUse Use)> Uses =
    [
        ("mail-signing", CertificateUse.MailSigning), ("mail-encryption", CertificateUse.MailEncryption), ("card-log-on", CertificateUse.CardLogOn),
        ("gateway", CertificateUse.Gateway), ("server", CertificateUse.Server),
    ];

    private static readonly ImmutableArray<(string Word, RevocationReason Reason)> Reasons =
    [
        ("unspecified", RevocationReason.Unspecified), ("key-compromise", RevocationReason.KeyCompromise),
        ("affiliation-changed", RevocationReason.AffiliationChanged), ("superseded", RevocationReason.Superseded),
        ("cessation-of-operation", RevocationReason.CessationOfOperation), ("hold", RevocationReason.CertificateHold),
    ];

    public static Command Create() => new("ca", """
        The organisation's issuing CA: certificates for cards, gateways and this server, CRL and OCSP (docs/ca.md). Its key is in the vault.
        Exit status: 0 done, 1 not done, with the reason.
        """)
    {
        Init(), Request(), Install(), Show(), Issue(), List(), Revoke(), Release(), Crl(), ExternalCaCommands.Requests(), ExternalCaCommands.Take(),
    };

    public static string WordOf(CertificateUse use) => Uses.FirstOrDefault(u => u.Use == use).Word ?? "ocsp";

    private static Command Init()
    {
        var name = new Option<string>("--name") { Description = "The CA's common name.", Required = true };
        var years = new Option<int>("--years") { Description = "For how long its certificate is good.", DefaultValueFactory = _ => 10 };
        return Command("init", """
            Makes a CA that signs itself. Give its certificate to whoever is to trust yours.

            Example:
              kdc ca init --name "Example Organisation CA"
            """, [name, years], (parsed, work, _) =>
        {
            IssuingCa.Create(work.Keys, work.State, parsed.GetRequiredValue(name), TimeSpan.FromDays(365.25 * parsed.GetValue(years)), TimeProvider.System);
            Console.WriteLine($"Its certificate is {work.State.CaCertificate}. Keys: {work.Keys.Vault.Description}.");
            return Task.FromResult(ExitCode.Success);
        });
    }

    private static Command Request()
    {
        var name = new Option<string>("--name") { Description = "The CA's common name.", Required = true };
        return Command("request", """
            Prints a PKCS #10 for a CA above this one; 'kdc ca install' takes what comes back.

            Example:
              kdc ca request --name "Example Organisation Issuing CA" > ca.csr
            """, [name], (parsed, work, _) =>
        {
            using var key = work.Keys.OpenCaKey();
            Console.WriteLine(IssuingAuthority.RequestAuthority(parsed.GetRequiredValue(name), key));
            return Task.FromResult(ExitCode.Success);
        });
    }

    private static Command Install()
    {
        var file = new Argument<string>("FILE") { Description = "PEM: the CA's certificate, then what stands above it." };
        return Command("install", """
            Takes over the certificate that a CA above made.

            Example:
              kdc ca install ca-chain.pem
            """, [file], async (parsed, work, cancellationToken) =>
        {
            IssuingCa.Install(
                work.Keys, work.State, await File.ReadAllTextAsync(parsed.GetRequiredValue(file), cancellationToken), work.Configuration, TimeProvider.System);
            return ExitCode.Success;
        });
    }

    private static Command Show()
    {
        var json = CommonOptions.AsJson();
        return Command("show", """
            Says what the CA is and what it has issued.

            Example:
              kdc ca show --json
            """, [json], async (parsed, work, cancellationToken) =>
        {
            using var ca = Demand(work);
            var certificate = ca.Authority.Certificate;
            var all = await ca.Certificates.ListAsync(cancellationToken);
            var crl = await ca.Certificates.LastCrlAsync(cancellationToken);
            var view = new CaView(
                certificate.Subject, certificate.Issuer, certificate.NotAfter, certificate.GetCertHashString(HashAlgorithmName.SHA256),
                all.Length, all.Count(c => c.RevokedAt is not null), crl?.Number, crl?.NextUpdate, work.Keys.Vault.Description);
            Console.WriteLine(parsed.GetValue(json) ? JsonSerializer.Serialize(view, CommonOptions.Json) : string.Create(CultureInfo.InvariantCulture, $"""
                {view.Subject}, issued by {view.Issuer}, until {view.Until:yyyy-MM-dd}
                SHA-256 {view.Fingerprint}
                {view.Issued} certificates issued, {view.Revoked} of them revoked or on hold; CRL {view.CrlNumber?.ToString(CultureInfo.InvariantCulture) ?? "none yet"}
                Keys: {view.Vault}
                """));
            return ExitCode.Success;
        });
    }

    private static Command Issue()
    {
        var request = new Option<string>("--request") { Description = "PKCS #10, PEM or DER, made where the key is.", Required = true };
        var use = Word("--use", "What it is for", Uses.Select(u => u.Word));
        var holder = new Option<string?>("--for") { Description = "The principal: id, mail address or name." };
        var hosts = new Option<string[]>("--host") { Description = "Of a gateway or server: its DNS name; may stand several times.", DefaultValueFactory = _ => [] };
        var output = new Option<string?>("--out") { Description = "Where the certificate goes; without it, to the standard output." };
        return Command("issue", """
            Certifies the key of a request. Only the key counts; names come from the principal's record, or are those of --host.

            Examples:
              kdc ca issue --use mail-encryption --for bob@example.org --request bob.csr --out bob.pem
              kdc ca issue --use gateway --for gateway.example.org --host gateway.example.org --request gateway.csr
              kdc ca issue --use server --host kdc.example.org --request kdc.csr
            """, [request, use, holder, hosts, output], async (parsed, work, cancellationToken) =>
        {
            using var ca = Demand(work);
            var principal = parsed.GetValue(holder) is { } who ? await work.FindAsync(who, cancellationToken) : null;
            var now = TimeProvider.System.GetUtcNow();
            if (principal?.Objection(now) is { } objection)
                throw new AdministrationException($"{principal.Name} {objection}.");
            var names = parsed.GetValue(hosts)!.Select(DomainName.Parse).ToImmutableArray();
            var order = new CertificateOrder(
                Uses.Single(u => u.Word == parsed.GetRequiredValue(use)).Use,
                principal?.Name ?? names.FirstOrDefault()?.Unicode ?? throw new AdministrationException("Say whose it is: --for or --host."),
                principal?.Id,
                [.. principal?.Addresses.Where(a => a.IsHeldAt(now)).Select(a => a.Address) ?? []],
                names,
                OperatorWork.Actor);
            var der = Der(await File.ReadAllBytesAsync(parsed.GetRequiredValue(request), cancellationToken));
            using var certificate = await ca.Authority.IssueAsync(der, order, cancellationToken);
            await WriteAsync(parsed.GetValue(output), certificate.ExportCertificatePem(), cancellationToken);
            return ExitCode.Success;
        });
    }

    private static Command List()
    {
        var (json, holder) = (CommonOptions.AsJson(), new Option<string?>("--for") { Description = "Only this principal's." });
        return Command("list", """
            Lists what was issued, here or by a CA elsewhere, by its end.

            Example:
              kdc ca list --for bob@example.org
            """, [holder, json], async (parsed, work, cancellationToken) =>
        {
            var certificates = work.Keys.Database.Certificates;
            var records = parsed.GetValue(holder) is { } who
                ? await certificates.OfAsync((await work.FindAsync(who, cancellationToken)).Id, cancellationToken)
                : await certificates.ListAsync(cancellationToken);
            var views = records.Select(r => new IssuedView(
                r.Serial, WordOf(r.Use), r.Holder?.ToString(), r.NotAfter, r.RevokedAt,
                r.Reason is null ? null : Reasons.Single(x => x.Reason == r.Reason).Word)).ToList();
            if (parsed.GetValue(json))
                Console.WriteLine(JsonSerializer.Serialize(views, CommonOptions.Json));
            foreach (var view in parsed.GetValue(json) ? [] : views)
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{view.Serial}  {view.Use,-15} until {view.Until:yyyy-MM-dd}  {view.Holder}  {(view.RevokedAt is null ? "" : $"{view.Reason} since {view.RevokedAt:yyyy-MM-dd}")}"));
            return ExitCode.Success;
        });
    }

    private static Command Revoke()
    {
        var (serial, reason) = (Serial(), Word("--reason", "Why; 'hold' can be taken back", Reasons.Select(r => r.Word)));
        return Command("revoke", """
            A certificate does not count any more. A new CRL says so at once; a CA elsewhere has to be told.

            Example:
              kdc ca revoke 4A31… --reason key-compromise
            """, [serial, reason], async (parsed, work, cancellationToken) =>
        {
            using var ca = work.OpenCa();
            var why = Reasons.Single(r => r.Word == parsed.GetRequiredValue(reason)).Reason;
            await Standing(work, ca).RevokeAsync(parsed.GetRequiredValue(serial).ToUpperInvariant(), why, OperatorWork.Actor, cancellationToken);
            return ExitCode.Success;
        });
    }

    private static Command Release()
    {
        var serial = Serial();
        return Command("release", """
            Takes a certificate off hold.

            Example:
              kdc ca release 4A31…
            """, [serial], async (parsed, work, cancellationToken) =>
        {
            using var ca = work.OpenCa();
            await Standing(work, ca).ReleaseAsync(parsed.GetRequiredValue(serial).ToUpperInvariant(), OperatorWork.Actor, cancellationToken);
            return ExitCode.Success;
        });
    }

    private static Command Crl()
    {
        var output = new Option<string>("--out") { Description = "Where it goes, DER.", Required = true };
        return Command("crl", """
            Makes a CRL now, and writes it to a file: for where the one that is served can't be reached.

            Example:
              kdc ca crl --out issuing.crl
            """, [output], async (parsed, work, cancellationToken) =>
        {
            using var ca = Demand(work);
            await File.WriteAllBytesAsync(parsed.GetRequiredValue(output), (await ca.Authority.NewCrlAsync(cancellationToken)).Der.ToArray(), cancellationToken);
            return ExitCode.Success;
        });
    }

    /// <summary>A command that works on configuration and state.</summary>
    public static Command Command(
        string name, string description, Symbol[] symbols, Func<ParseResult, OperatorWork, CancellationToken, Task<int>> work)
    {
        var (config, state) = (CommonOptions.Config(), CommonOptions.State());
        var command = new Command(name, description) { config, state };
        foreach (var symbol in symbols)
        {
            if (symbol is Argument argument)
                command.Arguments.Add(argument);
            else
                command.Options.Add((Option)symbol);
        }
        command.SetAction((parsed, ct) =>
            OperatorWork.DoAsync(parsed.GetValue(config)!, parsed.GetValue(state)!, session => work(parsed, session, ct), ct));
        return command;
    }

    private static Argument<string> Serial() => new("SERIAL") { Description = "Its serial number in hexadecimal, as 'kdc ca list' shows it." };

    private static Option<string> Word(string name, string what, IEnumerable<string> words)
    {
        var all = words.ToArray();
        var option = new Option<string>(name) { Description = $"{what}: {string.Join(", ", all)}.", Required = true };
        option.AcceptOnlyFromAmong(all);
        return option;
    }

    private static IssuingCa Demand(OperatorWork work) =>
        work.OpenCa() ?? throw NoCa();

    private static AdministrationException NoCa() => new("There is no CA yet: make one with 'kdc ca init', or 'kdc ca request' and 'install'.");

    private static ICertificateStanding Standing(OperatorWork work, IssuingCa? ca) =>
        work.StandingOf(ca) ?? throw NoCa();

    private static byte[] Der(byte[] request) =>
        PemEncoding.TryFind(Encoding.Latin1.GetString(request), out var fields)
            ? Convert.FromBase64String(Encoding.Latin1.GetString(request)[fields.Base64Data])
            : request;

    private static async Task WriteAsync(string? file, string pem, CancellationToken cancellationToken)
    {
        if (file is null)
            Console.WriteLine(pem);
        else
            await File.WriteAllTextAsync(file, pem + "\n", cancellationToken);
    }

    /// <summary>The CA as <c>show</c> tells of it.</summary>
    private sealed record CaView(
        string Subject, string Issuer, DateTimeOffset Until, string Fingerprint, int Issued, int Revoked, long? CrlNumber, DateTimeOffset? CrlUntil, string Vault);

    /// <summary>A certificate as <c>list</c> tells of it.</summary>
    private sealed record IssuedView(string Serial, string Use, string? Holder, DateTimeOffset Until, DateTimeOffset? RevokedAt, string? Reason);
}
