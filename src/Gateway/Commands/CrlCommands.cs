using System.CommandLine;
using System.Globalization;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using GatewaySecure.Gateway.Control;
using GatewaySecure.Gateway.Hosting;
using GatewaySecure.Gateway.Jobs;
using GatewaySecure.Trust.Revocation;
using GatewaySecure.TrustFetch;

namespace GatewaySecure.Gateway.Commands;

/// <summary><c>gateway crl</c>: the revocation lists that were fetched.</summary>
internal static class CrlCommands
{
    public static Command Create() => new("crl", "Revocation lists: where they come from, how fresh they are, what stands in them. See docs/jobs.md.")
    {
        List(), Refresh(), Show(),
    };

    private static Command List()
    {
        var state = CommonOptions.State();
        var json = CommonOptions.AsJson();
        var command = new Command("list", """
            Lists the places where lists are fetched, with the last good list of each. Exit status 1 where one is out of date or was never had.

            Examples:
              gateway crl list --state /var/lib/gatewaysecure
              gateway crl list --json
            """)
        { state, json };
        command.SetAction(parsed =>
        {
            var now = TimeProvider.System.GetUtcNow();
            var states = States(parsed.GetValue(state)!);
            if (parsed.GetValue(json))
                Console.WriteLine(JsonSerializer.Serialize(states, CommonOptions.Json));
            else if (states.Count == 0)
                Console.WriteLine("No list was fetched yet: none is named by 'certificates' of the configuration or by a certificate in use, or the gateway has not run.");
            else
                states.ForEach(s => Print(s, now));
            return states.All(s => s.NextUpdate >= now) ? ExitCode.Success : ExitCode.Problem;
        });
        return command;
    }

    private static Command Refresh()
    {
        var address = new Argument<string?>("ADDRESS") { Description = "As 'crl list' shows it; without it, all.", Arity = ArgumentArity.ZeroOrOne };
        var state = CommonOptions.State();
        var json = CommonOptions.AsJson();
        var command = new Command("refresh", """
            Has the running gateway fetch lists now.

            Examples:
              gateway crl refresh
              gateway crl refresh http://pki.partner.example/ca.crl
            """)
        { address, state, json };
        command.SetAction((parsed, ct) => JobCommands.AskAsync(
            parsed.GetValue(state)!,
            new ControlRequest { Verb = ControlVerb.RunJob, Job = TrustJobs.ListPrefix + (parsed.GetValue(address) ?? "*") },
            parsed.GetValue(json),
            ct));
        return command;
    }

    private static Command Show()
    {
        var what = new Argument<string>("WHAT") { Description = "An address as 'crl list' shows it, or a file (DER)." };
        var serial = new Option<string?>("--serial") { Description = "Only whether this certificate (serial number, hexadecimal) is revoked." };
        var state = CommonOptions.State();
        var command = new Command("show", """
            Shows a list: its issuer, number and times, and how many it names.

            Examples:
              gateway crl show http://pki.partner.example/ca.crl
              gateway crl show partner.crl --serial 01A4F2
            """)
        { what, serial, state };
        command.SetAction(parsed => ShowList(parsed.GetValue(what)!, parsed.GetValue(serial), parsed.GetValue(state)!));
        return command;
    }

    private static int ShowList(string what, string? serial, string state)
    {
        var der = Uri.TryCreate(what, UriKind.Absolute, out var uri) && !uri.IsFile
            ? new ListStore(StateDirectory.At(state).FetchedLists).ListOf(new FetchSource(uri, IsListed: true, TimeSpan.Zero))
            : File.Exists(what) ? File.ReadAllBytes(what) : null;
        if (der is null)
        {
            Console.Error.WriteLine($"There is no list for '{what}'. 'gateway crl list' shows what was fetched.");
            return ExitCode.Problem;
        }
        if (!RevocationList.TryParse(der, out var list, out var problem))
        {
            Console.Error.WriteLine(problem);
            return ExitCode.Problem;
        }
        if (serial is not null)
            return ShowSerial(list, serial);
        Console.WriteLine($"issuer       {new X500DistinguishedName(list.Issuer.Span).Name}");
        Console.WriteLine($"number       {list.Number?.ToString(CultureInfo.InvariantCulture) ?? "-"}{(list.IsDelta ? $", a delta on {list.BaseNumber}" : "")}");
        Console.WriteLine($"this update  {CommonOptions.Time(list.ThisUpdate)}");
        Console.WriteLine($"next update  {CommonOptions.Time(list.NextUpdate)}");
        Console.WriteLine($"revoked      {list.Count}");
        if (list.Fault is { } fault)
            Console.WriteLine($"not used     {fault}");
        return ExitCode.Success;
    }

    private static int ShowSerial(RevocationList list, string serial)
    {
        if (serial.Length % 2 != 0 || !serial.All(char.IsAsciiHexDigit) || serial.Length == 0)
        {
            Console.Error.WriteLine($"'{serial}' is no serial number: an even number of hexadecimal digits, as certificates show it.");
            return ExitCode.Problem;
        }
        Console.WriteLine(list.Find(Convert.FromHexString(serial)) is { } entry ? $"revoked on {CommonOptions.Time(entry.Since)}, reason {entry.Reason}" : "not in this list");
        return ExitCode.Success;
    }

    private static List<ListState> States(string state)
    {
        var folder = StateDirectory.At(state).FetchedLists;
        return Directory.Exists(folder) ? [.. new ListStore(folder).States().OrderBy(s => s.Address, StringComparer.Ordinal)] : [];
    }

    private static void Print(ListState state, DateTimeOffset now)
    {
        Console.WriteLine(state.Address);
        Console.WriteLine(state.ThisUpdate is null
            ? "  no list yet"
            : $"  {state.Issuer}: number {state.Number ?? "-"}, {state.Entries} revoked, {(state.NextUpdate < now ? "ENDED" : "in force until")} {CommonOptions.Time(state.NextUpdate)}");
        if (state.Problem is { } problem)
            Console.WriteLine($"  PROBLEM since {CommonOptions.Time(state.FailingSince)}, {state.Failures} times: {problem}");
    }
}
