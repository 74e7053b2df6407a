using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using GatewaySecure.Gateway.Hosting;
using GatewaySecure.KdcCore;
using GatewaySecure.Storage;

namespace GatewaySecure.Gateway.Commands;

/// <summary><c>gateway audit</c>: the KDC's audit chain, read while the gateway runs.</summary>
internal static class AuditCommands
{
    public static Command Create()
    {
        var state = CommonOptions.State();
        var noted = new Option<string?>("--noted") { Description = "A head that an earlier 'audit verify' printed (NUMBER:HASH); it must still be in the chain." };
        var verify = new Command("verify", """
            Checks the whole chain and prints its head. Keep the head elsewhere: with --noted it proves later that no line was cut off.

            Example:
              gateway audit verify --state /var/lib/gatewaysecure --noted 41:9c5f…
            """)
        { state, noted };
        verify.SetAction((parsed, ct) => WithDatabaseAsync(parsed.GetValue(state)!, async database =>
        {
            AuditHead? head = null;
            if (parsed.GetValue(noted) is { } text)
            {
                var parts = text.Split(':');
                if (parts.Length != 2 || !long.TryParse(parts[0], CultureInfo.InvariantCulture, out var number))
                {
                    Console.Error.WriteLine($"'{text}' is not of the form NUMBER:HASH.");
                    return ExitCode.Problem;
                }
                head = new AuditHead(number, parts[1]);
            }
            if (await database.Audit.VerifyAsync(head, ct) is { } fault)
            {
                Console.Error.WriteLine($"The audit chain does not hold. {fault}");
                return ExitCode.Problem;
            }
            var now = await database.Audit.HeadAsync(ct);
            Console.WriteLine($"The audit chain holds. Head: {now.Sequence}:{now.Hash}");
            return ExitCode.Success;
        }, ct));

        var last = new Option<int>("--last") { Description = "How many lines, from the end.", DefaultValueFactory = _ => 20 };
        var json = CommonOptions.AsJson();
        var show = new Command("show", """
            Prints the last lines of the chain.

            Example:
              gateway audit show --last 50 --json
            """)
        { state, last, json };
        show.SetAction((parsed, ct) => WithDatabaseAsync(parsed.GetValue(state)!, async database =>
        {
            var head = await database.Audit.HeadAsync(ct);
            var count = Math.Max(0, parsed.GetValue(last));
            var events = new List<AuditEvent>();
            foreach (var e in await database.Audit.ReadAsync(Math.Max(1, head.Sequence - count + 1), count, ct))
                events.Add(await SealedAddress.ShowAsync(e, database.Principals, ct));
            if (parsed.GetValue(json))
                Console.WriteLine(JsonSerializer.Serialize(events, JsonSerializerOptions.Web));
            else
            {
                foreach (var e in events)
                    Console.WriteLine($"{e.At.UtcDateTime:yyyy-MM-dd HH:mm:ss}  {e.Action,-18} {e.Actor}  {e.Subject}  {e.Detail}");
            }
            return ExitCode.Success;
        }, ct));
        return new Command("audit", "The KDC's audit chain.") { verify, show };
    }

    private static async Task<int> WithDatabaseAsync(string stateDirectory, Func<GatewayDatabase, Task<int>> work, CancellationToken cancellationToken)
    {
        var path = Path.Combine(stateDirectory, StateDirectory.DatabaseName);
        if (!File.Exists(path))
        {
            Console.Error.WriteLine($"There is no {path}. Give the gateway's state directory with --state.");
            return ExitCode.Problem;
        }
        await using var database = await GatewayDatabase.OpenAsync(path, cancellationToken);
        return await work(database);
    }
}
