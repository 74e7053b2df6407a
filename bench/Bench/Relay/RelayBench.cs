using GatewaySecure.TestKit;

namespace GatewaySecure.Bench.Relay;

/// <summary>
/// Messages per second end to end, fsync included: the gateway's pass-through and its sign-and-encrypt, each against Postfix that relays
/// plain. All three take turns on the same source, the same kind of sink and the same disk, so that the machine's drift falls on all.
/// </summary>
internal static class RelayBench
{
    public static async Task RunAsync(Effort effort, Report report)
    {
        using var work = Tree.MakeWorkDirectory();
        await using var rivalSink = new SmtpSink();
        await using var ourSink = new SmtpSink();
        var options = new PostfixOptions { ParentDirectory = work.Path, RelayPort = rivalSink.Port, Log = false };
        await using var postfix = await PrivatePostfix.StartAsync(options);
        await using var gateway = await BenchGateway.StartAsync(work, ourSink.Port);
        var rival = new RelaySide("Postfix", postfix.Port, BenchGateway.PlainRecipient, rivalSink);
        RelaySide[] ours =
        [
            new("pass-through", gateway.Port, BenchGateway.PlainRecipient, ourSink),
            new("sign-and-encrypt", gateway.Port, BenchGateway.SealedRecipient, ourSink),
        ];

        report.Begin("relay: end to end on loopback with fsync, against Postfix's plain relay", "ours", "Postfix");
        foreach (var size in effort.IsQuick ? MailSizes.UpToOneMegabyte : MailSizes.All)
        {
            foreach (var sessions in effort.IsQuick ? (int[])[10] : [1, 10, 50])
                await CompareAsync(effort, report, rival, ours, size, sessions);
        }
    }

    private static async Task CompareAsync(Effort effort, Report report, RelaySide rival, RelaySide[] ours, int size, int sessions)
    {
        RelaySide[] sides = [rival, .. ours];
        // Warms caches and processes, and tells how many messages fill a run.
        var sample = Math.Max(2 * sessions, Math.Min(50, 10_000_000 / size));
        var perSecond = new List<double>();
        foreach (var side in sides)
            perSecond.Add(sample / await side.RunAsync(size, sessions, sample));
        var messages = effort.CountFor(perSecond.Min(), atLeast: 2 * sessions);

        var seconds = await effort.TakeTurnsAsync([.. sides.Select(side => (Func<Task<double>>)(() => side.RunAsync(size, sessions, messages)))]);
        for (var i = 1; i < sides.Length; i++)
        {
            var name = $"relay {sides[i].Name} {MailSizes.Name(size)} {sessions} sessions";
            report.Add(Result.MoreIsBetter(name, messages / seconds[i], messages / seconds[0], "messages/s"));
        }
    }
}
