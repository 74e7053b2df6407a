using System.Collections.Immutable;
using System.CommandLine;
using System.Text.Json;

namespace GatewaySecure.KdcServer.Commands;

/// <summary><c>kdc principal import</c>: users from lists and directories.</summary>
internal static class ImportCommands
{
    public static Command Create() => new("import", "Brings users in from elsewhere. The same input a second time changes nothing.") { Csv() };

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
