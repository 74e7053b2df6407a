using GatewaySecure.Demo;

var once = args.Contains("--once");
if (args.FirstOrDefault(a => a != "--once") is { } unknown)
{
    var help = unknown is "-h" or "--help";
    (help ? Console.Out : Console.Error).WriteLine(
        (help ? "" : $"Unknown option '{unknown}'.\n")
        + """
        A guided tour of GatewaySecure on this machine, with virtual cards and a key vault in software.

          ./gs demo          stays up until Ctrl-C, so that you can send mail yourself
          ./gs demo --once   ends by itself; exit status 0 only if everything it shows is true

        Everything it makes is under var/demo and is made anew each time.
        """);
    return help ? 0 : 2;
}
using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, e) =>
{
    e.Cancel = true;
    stop.Cancel();
};
var narrator = new Narrator(Console.Out);
try
{
    await using var tour = await Tour.PrepareAsync(Path.GetFullPath(Path.Combine("var", "demo")), narrator, stop.Token);
    await tour.WalkAsync(stop.Token);
    narrator.Sum();
    if (!once)
        await tour.StayAsync(stop.Token);
    return narrator.Failures == 0 ? 0 : 1;
}
catch (OperationCanceledException) when (stop.IsCancellationRequested)
{
    return narrator.Failures == 0 && !once ? 0 : 1;
}
