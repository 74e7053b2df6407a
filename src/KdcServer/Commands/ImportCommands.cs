using System.Collections.Immutable;
using System.CommandLine;
using System.Text.Json;

namespace GatewaySecure.KdcServer.Commands;

/// <summary><c>kdc principal import</c>: users from lists and directories.</summary>
internal static class ImportCommands
{
    public static Command Create() => new("import", "Brings users in from elsewhere. The same input a second time changes nothing.") { Csv(), Ldap() };

    private static Command Csv()
    {
        var (config, state, json) = (CommonOptions.Config(), CommonOptions.State(), CommonOptions.AsJson());
        var file = new Argument<string>("FILE") { Description = "UTF-8; the first line names the columns: name, address, and where wanted active-from, expires." };
        var dryRun = DryRun();
        var command = new Command("csv", """
            Users out of a CSV file. One with an address that is known is changed to what the line says; who lacks in the file is left alone.
            Exit status 1 where a line could not be taken; the others are.

            Example:
              kdc principal import csv users.csv --dry-run
            """)
        { file, config, state, dryRun, json };
        command.SetAction((parsed, ct) => OperatorWork.DoAsync(parsed.GetValue(config)!, parsed.GetValue(state)!, async work =>
        {
            var (users, errors) = CsvUsers.Read(parsed.GetRequiredValue(file));
            var lines = await new PrincipalImport(work.Administration, parsed.GetValue(dryRun)).ApplyAsync(users, ct);
            return Report([.. errors, .. lines], parsed.GetValue(dryRun), parsed.GetValue(json));
        }, ct));
        return command;
    }

    private static Command Ldap()
    {
        var (config, state, json) = (CommonOptions.Config(), CommonOptions.State(), CommonOptions.AsJson());
        var url = new Option<string>("--url") { Description = "ldaps://host[:port]; ldap:// to this machine only.", Required = true };
        var @base = new Option<string>("--base") { Description = "Below which entry, such as ou=people,dc=example,dc=org.", Required = true };
        var filter = new Option<string>("--filter") { Description = "Which entries (RFC 4515).", DefaultValueFactory = _ => "(&(objectClass=person)(mail=*))" };
        var bindDn = new Option<string?>("--bind-dn") { Description = "Whom to log on as; without it anonymously." };
        var passwordFile = new Option<string?>("--password-file") { Description = "First line: the password to --bind-dn." };
        var name = new Option<string>("--name-attribute") { Description = "Where the name stands.", DefaultValueFactory = _ => "cn" };
        var address = new Option<string>("--address-attribute") { Description = "Where the mail addresses stand.", DefaultValueFactory = _ => "mail" };
        var dryRun = DryRun();
        var command = new Command("ldap", """
            Users out of an LDAP directory. One with an address that is known is changed to what the directory says; who lacks there is left alone, and so
            are dates that were set here. TLS trusts what the system's LDAP configuration trusts (LDAPTLS_CACERT). Exit status 1 where an entry could not be taken.

            Example:
              kdc principal import ldap --url ldaps://dc.example.org --base ou=people,dc=example,dc=org --dry-run
            """)
        { url, @base, filter, bindDn, passwordFile, name, address, config, state, dryRun, json };
        command.SetAction((parsed, ct) => OperatorWork.DoAsync(parsed.GetValue(config)!, parsed.GetValue(state)!, async work =>
        {
            var source = new LdapSource(
                Uri.TryCreate(parsed.GetRequiredValue(url), UriKind.Absolute, out var where) ? where : throw new FormatException("--url is no URL."),
                parsed.GetRequiredValue(@base),
                parsed.GetValue(filter)!,
                parsed.GetValue(bindDn),
                parsed.GetValue(passwordFile) is { } secret ? File.ReadLines(secret).FirstOrDefault() : null,
                parsed.GetValue(name)!,
                parsed.GetValue(address)!);
            if (source.BindDn is not null && string.IsNullOrEmpty(source.Password))
                throw new FormatException("--bind-dn needs --password-file: without a password a directory would take it as anonymous.");
            var (users, errors) = LdapUsers.Read(source);
            var lines = await new PrincipalImport(work.Administration, parsed.GetValue(dryRun)) { KeepsDates = true }.ApplyAsync(users, ct);
            return Report([.. errors, .. lines], parsed.GetValue(dryRun), parsed.GetValue(json));
        }, ct));
        return command;
    }

    private static Option<bool> DryRun() => new("--dry-run") { Description = "Says what would be done, and does nothing." };

    private static int Report(ImmutableArray<ImportLine> lines, bool dryRun, bool json)
    {
        if (json)
            Console.WriteLine(JsonSerializer.Serialize(new { dryRun, lines }, CommonOptions.Json));
        else
        {
            foreach (var line in lines.Where(l => l.Outcome != "unchanged"))
                (line.Outcome == "error" ? Console.Error : Console.Out).WriteLine($"{line.Place}: {line.Outcome}: {line.Detail}");
            var counts = lines.GroupBy(l => l.Outcome).OrderBy(g => g.Key, StringComparer.Ordinal).Select(g => $"{g.Count()} {g.Key}");
            Console.WriteLine($"{(dryRun ? "Would be: " : "")}{(lines.IsEmpty ? "nothing to do" : string.Join(", ", counts))}");
        }
        return lines.Any(l => l.Outcome == "error") ? ExitCode.Problem : ExitCode.Success;
    }
}
