using System.Diagnostics;
using System.Globalization;
using GatewaySecure.Bench.Relay;
using GatewaySecure.TestKit;

namespace GatewaySecure.Bench.Queue;

/// <summary>
/// A long queue for a host that can't be reached: what it costs mail to others, memory, a start and a look at it. bench/README.md says what the figures mean.
/// </summary>
internal static class QueueBench
{
    private const string DeadRecipient = "reader@dead.example";
    private const int Size = 2048;
    private const int Sessions = 10;

    public static async Task RunAsync(Effort effort, Report report)
    {
        var count = effort.IsQuick ? 10_000 : 100_000;
        using var freshWork = Tree.MakeWorkDirectory();
        using var work = Tree.MakeWorkDirectory();
        await using var sink = new SmtpSink();
        var fresh = await StartAsync(freshWork, sink.Port);
        var gateway = await StartAsync(work, sink.Port);
        try
        {
            var without = new RelaySide("nothing queued", fresh.Port, BenchGateway.PlainRecipient, sink);
            var with = new RelaySide("a long queue", gateway.Port, BenchGateway.PlainRecipient, sink);
            await without.RunAsync(Size, Sessions, 3000);
            await with.RunAsync(Size, Sessions, 3000);
            var before = gateway.ReadMemory().Resident;
            await FillAsync(gateway, count);
            var queued = string.Create(CultureInfo.InvariantCulture, $"{count:N0} queued");

            report.Begin($"queue: mail to a reachable host, {MailSizes.Name(Size)}, {Sessions} sessions", queued, "none queued");
            var messages = effort.CountFor(2 * 3000 / await without.RunAsync(Size, Sessions, 3000), 2000);
            var seconds = await effort.TakeTurnsAsync(
                () => with.RunAsync(Size, Sessions, messages), () => without.RunAsync(Size, Sessions, messages));
            report.Add(Result.MoreIsBetter($"queue {queued}", messages / seconds[0], messages / seconds[1], "mails/s"));

            report.Begin("queue: what the queued ones cost", "ours", "bound");
            report.Add(Result.LessIsBetter("queue memory, a queued mail", (gateway.ReadMemory().Resident - before) / 1024.0 / count, 4, "KB"));
            await LookAsync(report, gateway, count);
            await fresh.DisposeAsync();
            await gateway.DisposeAsync();
            var begin = Stopwatch.GetTimestamp();
            fresh = await StartAsync(freshWork, sink.Port);
            var empty = Stopwatch.GetElapsedTime(begin);
            begin = Stopwatch.GetTimestamp();
            gateway = await StartAsync(work, sink.Port);
            var longer = Stopwatch.GetElapsedTime(begin) - empty;
            report.Add(Result.LessIsBetter("queue start, 1000 queued mails", longer.TotalMilliseconds * 1000 / count, 200, "ms"));
        }
        finally
        {
            await fresh.DisposeAsync();
            await gateway.DisposeAsync();
        }
    }

    private static Task<BenchGateway> StartAsync(WorkDirectory work, int sink) => BenchGateway.StartAsync(work, sink, more: $"""
        routes:
          - recipients: [dead.example]
            next-hop: dead

        """, furtherHops: $"""
          dead:
            smtp: 127.0.0.1:{Loopback.FreePort()}
            tls: never

        """);

    private static async Task FillAsync(BenchGateway gateway, int count)
    {
        for (var left = count; left > 0; left -= 10_000)
        {
            string[] arguments =
            [
                "-d", "-f", BenchGateway.Sender, "-t", DeadRecipient, "-M", "inside.example", "-l", "2048", "-s", "20",
                "-m", Math.Min(left, 10_000).ToString(CultureInfo.InvariantCulture), $"127.0.0.1:{gateway.Port}",
            ];
            (await Tool.RunAsync("smtp-source", arguments, timeout: TimeSpan.FromMinutes(5))).Checked();
        }
    }

    private static async Task LookAsync(Report report, BenchGateway gateway, int count)
    {
        foreach (var (name, arguments, lines, bound) in ((string, string[], int, double)[])[
            ("list", ["queue", "list"], count, 100), ("list --json", ["queue", "list", "--json"], count, 200), ("list --summary", ["queue", "list", "--summary"], 1, 40)])
        {
            var begin = Stopwatch.GetTimestamp();
            var result = (await gateway.ToolAsync(arguments)).Checked();
            var elapsed = Stopwatch.GetElapsedTime(begin);
            if (result.Output.AsSpan().Count((byte)'\n') < lines)
                throw new InvalidOperationException($"'{name}' shows too little.");
            report.Add(Result.LessIsBetter($"queue {name}, 1000 queued mails", elapsed.TotalMilliseconds * 1000 / count, bound, "ms"));
        }
    }
}
