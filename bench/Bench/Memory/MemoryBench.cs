using System.Globalization;
using System.Text;
using GatewaySecure.Bench.Relay;
using GatewaySecure.TestKit;

namespace GatewaySecure.Bench.Memory;

/// <summary>
/// What the gateway holds in memory: over many mails, with many connections that are idle or stay in the middle of a mail, and while
/// large mail passes. Each figure has its bound beside it; a ratio below 1 means that it was passed.
/// </summary>
internal static class MemoryBench
{
    private const int Connections = 1000;
    private const long Mega = 1 << 20;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    public static async Task RunAsync(Effort effort, Report report)
    {
        report.Begin("memory: what the gateway holds (RSS), beside its bound", "MB", "bound");
        // A process for each: in room that others have left, connections would seem to cost nothing.
        await OnFreshGatewayAsync((gateway, _) => ConnectionsAsync(report, gateway));
        await OnFreshGatewayAsync(async (gateway, sink) =>
        {
            await SoakAsync(effort, report, gateway, sink);
            await LargeAsync(effort, report, gateway, sink);
        });
    }

    private static async Task OnFreshGatewayAsync(Func<BenchGateway, SmtpSink, Task> measure)
    {
        using var work = Tree.MakeWorkDirectory();
        await using var sink = new SmtpSink();
        await using var gateway = await BenchGateway.StartAsync(work, sink.Port, more: $$"""
            limits:
              connections: {{Connections + 100}}
              connections-per-address: {{Connections + 100}}

            """);
        await measure(gateway, sink);
    }

    /// <summary>Every other mail is signed and encrypted.</summary>
    private static async Task SoakAsync(Effort effort, Report report, BenchGateway gateway, SmtpSink sink)
    {
        RelaySide[] sides = [new("plain", gateway.Port, BenchGateway.PlainRecipient, sink), new("sealed", gateway.Port, BenchGateway.SealedRecipient, sink)];
        var sent = 0;
        var scale = effort.IsQuick ? 10 : 1;
        var first = 0L;
        report.Remark($"{gateway.ReadMemory().Resident / Mega} MB before the first mail");
        foreach (var mark in (int[])[10_000 / scale, 50_000 / scale, 100_000 / scale])
        {
            for (; sent < mark; sent += 1000)
                await sides[sent / 1000 % 2].RunAsync(2048, sessions: 10, messages: 1000);
            var resident = gateway.ReadMemory().Resident;
            // What is loaded and compiled once is there after the first thousands.
            if (first == 0)
                first = resident;
            Add(report, $"after {sent} mails", resident, first + 24 * Mega);
        }
    }

    private static async Task ConnectionsAsync(Report report, BenchGateway gateway)
    {
        var before = gateway.ReadMemory().Resident;
        var clients = new List<RawClient>();
        try
        {
            for (var i = 0; i < Connections; i++)
                clients.Add(await RawClient.GreetAsync(gateway.Port));
            var idle = gateway.ReadMemory().Resident - before;
            Add(report, $"{Connections} idle connections", idle, 48 * Mega);
            report.Remark($"{idle / Connections / 1024} KB for each");

            // All of them in the middle of a mail of 256 KB: as much as each could make the gateway hold.
            var part = Encoding.ASCII.GetBytes("Subject: large\r\n\r\n" + string.Concat(Enumerable.Repeat(new string('x', 76) + "\r\n", 3300)));
            foreach (var client in clients)
                await client.BeginMailAsync(BenchGateway.Sender, BenchGateway.PlainRecipient, part);
            await Task.Delay(TimeSpan.FromSeconds(3));
            var held = gateway.ReadMemory().Resident - before;
            // queue.bytes-in-memory, and for each connection a chunk and what was read ahead (docs/operations/running.md).
            Add(report, $"{Connections} mails of 256 KB half sent", held, 64 * Mega + Connections * 192L * 1024);
            report.Remark(string.Create(CultureInfo.InvariantCulture, $"{Connections * (long)part.Length / Mega} MB were sent"));
        }
        finally
        {
            foreach (var client in clients)
                client.Dispose();
        }
    }

    private static async Task LargeAsync(Effort effort, Report report, BenchGateway gateway, SmtpSink sink)
    {
        foreach (var (name, recipient) in ((string, string)[])[("normal", BenchGateway.PlainRecipient), ("ca", BenchGateway.SealedRecipient)])
        {
            var megabytes = effort.IsQuick ? 50 : 200;
            gateway.ResetPeakMemory();
            var before = gateway.ReadMemory().Resident;
            var here = sink.WaitForAsync(sink.Count + 1, Patience);
            using var client = await RawClient.GreetAsync(gateway.Port);
            await client.BeginMailAsync(BenchGateway.Sender, recipient, "Subject: large\r\n\r\n"u8.ToArray());
            var block = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat(new string('x', 62) + "\r\n", 16 * 1024)));
            for (var i = 0; i < megabytes; i++)
                await client.SendAsync(block);
            await client.EndMailAsync();
            await here;
            Add(report, $"{megabytes} MB, {name}: growth", gateway.ReadMemory().Peak - before, 64 * Mega);
        }
    }

    private static void Add(Report report, string name, long octets, long bound) =>
        report.Add(Result.LessIsBetter($"memory {name}", Math.Max(octets, Mega / 10) / (double)Mega, bound / (double)Mega, "MB"));
}
