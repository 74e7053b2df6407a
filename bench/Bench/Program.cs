using System.CommandLine;
using GatewaySecure.Bench;
using GatewaySecure.Bench.Kdc;
using GatewaySecure.Bench.Memory;
using GatewaySecure.Bench.Queue;
using GatewaySecure.Bench.Relay;
using GatewaySecure.Bench.Smime;

var name = new Argument<string?>("name")
{
    Description = "relay, smime, memory, queue or kdc; relay and smime without it",
    Arity = ArgumentArity.ZeroOrOne,
};
name.AcceptOnlyFromAmong("relay", "smime", "memory", "queue", "kdc");
var quick = new Option<bool>("--quick") { Description = "fewer cases and rounds: a minute for each name" };
var json = new Option<FileInfo?>("--json") { Description = "also write the results to this file" };
var rsa = new Option<bool>("--rsa") { Description = "relay: sign with RSA-2048 instead of ECDSA P-256" };
var root = new RootCommand("Measures GatewaySecure against its named rivals. A ratio above 1 means that GatewaySecure is better.")
{
    name,
    quick,
    json,
    rsa,
};
root.SetAction(async (parsed, _) =>
{
    var wanted = parsed.GetValue(name);
    var effort = parsed.GetValue(quick) ? Effort.Quick() : Effort.Full();
    var report = new Report(Console.Out);
    try
    {
        if (wanted is null or "smime")
            await SmimeBench.RunAsync(effort, report);
        if (wanted is null or "relay")
            await RelayBench.RunAsync(effort, report, parsed.GetValue(rsa) ? Signing.Rsa2048 : Signing.P256);
        if (wanted is "memory")
            await MemoryBench.RunAsync(effort, report);
        if (wanted is "kdc")
            await KdcBench.RunAsync(effort, report);
        if (wanted is "queue")
            await QueueBench.RunAsync(effort, report);
    }
    catch (Exception e) when (e is InvalidOperationException or TimeoutException or IOException)
    {
        await Console.Error.WriteLineAsync(e.Message);
        return 1;
    }
    if (parsed.GetValue(json) is { } file)
        report.WriteJson(file);
    return 0;
});
return await root.Parse(args).InvokeAsync();
