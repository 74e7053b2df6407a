using System.CommandLine;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using GatewaySecure.KdcCore;
using GatewaySecure.KdcServer.Hosting;
using GatewaySecure.Storage;

namespace GatewaySecure.KdcServer.Commands;

/// <summary><c>kdc audit</c>: the audit chain, read beside the running server or from a copy.</summary>
internal static class AuditCommands
{
    public static Command Create() => new("audit", "The audit chain: who was issued what, every refusal, card and operator event.")
    {
        Show(), Verify(), Anchor(),
    };

    private static Command Show()
    {
        var (config, state, json) = (CommonOptions.Config(), CommonOptions.State(), CommonOptions.AsJson());
        var last = new Option<int>("--last") { Description = "How many lines, from the end.", DefaultValueFactory = _ => 20 };
        var command = new Command("show", """
            Prints the last lines, with addresses readable where nobody had them forgotten.

            Example:
              kdc audit show --last 50 --json
            """)
        { config, state, last, json };
        command.SetAction((parsed, ct) => OperatorWork.DoAsync(parsed.GetValue(config)!, parsed.GetValue(state)!, async work =>
        {
            var database = work.Keys.Database;
            var count = Math.Max(0, parsed.GetValue(last));
            var first = Math.Max(1, (await database.Audit.HeadAsync(ct)).Sequence - count + 1);
            var events = new List<AuditEvent>();
            foreach (var e in await database.Audit.ReadAsync(first, count, ct))
                events.Add(await SealedAddress.ShowAsync(e, database.Principals, ct));
            if (parsed.GetValue(json))
                Console.WriteLine(JsonSerializer.Serialize(events, CommonOptions.Json));
            else
            {
                foreach (var e in events)
                    Console.WriteLine($"{e.At.UtcDateTime:yyyy-MM-dd HH:mm:ss}  {e.Action,-18} {e.Actor}  {e.Subject}  {e.Detail}");
            }
            return ExitCode.Success;
        }, ct));
        return command;
    }

    private static Command Verify()
    {
        var (state, json) = (CommonOptions.State(), CommonOptions.AsJson());
        var database = new Option<string?>("--database") { Description = "A copy of gatewaysecure.db (with its -wal file, where there is one), instead of the state's." };
        var anchors = new Option<string[]>("--anchor")
        {
            Description = "A file of anchors that was kept elsewhere; every line of it must still be in the chain.", DefaultValueFactory = _ => [],
        };
        var key = new Option<string?>("--key") { Description = "PEM of the audit key, as 'kdc audit anchor' prints it; without it the anchors' own." };
        var command = new Command("verify", """
            Checks the whole chain offline, without server or vault: any edit, cut or reordering is found and named. Lines cut off at the end show against an
            anchor that was kept elsewhere. Exit status 1 where something does not hold.

            Example:
              kdc audit verify --database copy/gatewaysecure.db --anchor kdc-anchors.jsonl --key audit-key.pem
            """)
        { state, database, anchors, key, json };
        command.SetAction(async (parsed, ct) =>
        {
            var file = parsed.GetValue(database) ?? KdcState.At(parsed.GetValue(state)!).Database;
            try
            {
                var known = parsed.GetValue(key) is { } pem ? ReadKey(pem) : null;
                var heads = parsed.GetValue(anchors)!.SelectMany(path => ReadAnchors(path, known)).ToList();
                var verdict = await AuditChain.VerifyFileAsync(file, heads, ct);
                if (parsed.GetValue(json))
                    Console.WriteLine(JsonSerializer.Serialize(new { holds = verdict.Fault is null, fault = verdict.Fault, head = verdict.Head, anchors = heads.Count }, CommonOptions.Json));
                else if (verdict.Fault is null)
                    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"The audit chain holds: {verdict.Head.Sequence} lines, {heads.Count} anchors in it. Head: {verdict.Head.Hash}"));
                else
                    await Console.Error.WriteLineAsync($"The audit chain does not hold. {verdict.Fault}");
                return verdict.Fault is null ? ExitCode.Success : ExitCode.Problem;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException or ArgumentException or CryptographicException)
            {
                await Console.Error.WriteLineAsync(e.Message);
                return ExitCode.Problem;
            }
        });
        return command;
    }

    private static Command Anchor()
    {
        var (config, state, json) = (CommonOptions.Config(), CommonOptions.State(), CommonOptions.AsJson());
        var command = new Command("anchor", """
            Signs the chain's head now, appends it to the file of anchors, and prints it with the audit key. Keep both elsewhere.

            Example:
              kdc audit anchor --config kdc.yaml --json > anchor.json
            """)
        { config, state, json };
        command.SetAction((parsed, ct) => OperatorWork.DoAsync(parsed.GetValue(config)!, parsed.GetValue(state)!, async work =>
        {
            await using var anchoring = new AuditAnchoring(work.Keys, work.Configuration, KdcState.At(parsed.GetValue(state)!), TimeProvider.System);
            if (await anchoring.AnchorAsync(ct) is not { } anchor)
            {
                await Console.Error.WriteLineAsync("The chain is empty; there is nothing to anchor.");
                return ExitCode.Problem;
            }
            var pem = PemEncoding.WriteString("PUBLIC KEY", anchor.Key);
            Console.WriteLine(parsed.GetValue(json) ? anchor.ToLine() : $"{anchor.ToLine()}{Environment.NewLine}{pem}");
            return ExitCode.Success;
        }, ct));
        return command;
    }

    private static byte[] ReadKey(string file)
    {
        using var key = ECDsa.Create();
        key.ImportFromPem(File.ReadAllText(file));
        return key.ExportSubjectPublicKeyInfo();
    }

    /// <exception cref="InvalidDataException">A line is no anchor, or is not signed by the key.</exception>
    private static IEnumerable<AuditHead> ReadAnchors(string path, byte[]? key)
    {
        var number = 0;
        foreach (var line in File.ReadLines(path))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line))
                continue;
            if (AuditAnchor.Parse(line) is not { } anchor)
                throw new InvalidDataException($"{path}:{number} is no anchor.");
            if (!anchor.IsSigned() || (key is not null && !key.AsSpan().SequenceEqual(anchor.Key)))
                throw new InvalidDataException($"{path}:{number} is not signed by the audit key.");
            yield return new AuditHead(anchor.Sequence, anchor.Hash);
        }
    }
}
