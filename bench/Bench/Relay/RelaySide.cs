using System.Diagnostics;
using System.Globalization;
using GatewaySecure.TestKit;

namespace GatewaySecure.Bench.Relay;

/// <summary>One relay under measurement: where to send, to whom, and the sink where it must all arrive.</summary>
internal sealed record RelaySide(string Name, int Port, string Recipient, SmtpSink Sink)
{
    /// <summary>Nothing measured here is slower than this but by a fault.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>Sends so many messages over so many sessions, and waits until the last has arrived.</summary>
    /// <returns>Seconds from the first connection until the sink has all.</returns>
    /// <exception cref="TimeoutException">Some did not arrive.</exception>
    public async Task<double> RunAsync(int size, int sessions, int messages)
    {
        string[] arguments =
        [
            "-d",
            "-f", "sender@inside.example",
            "-t", Recipient,
            "-M", "inside.example",
            "-l", Text(size),
            "-s", Text(sessions),
            "-m", Text(messages),
            $"127.0.0.1:{Text(Port)}",
        ];
        var allHere = Sink.WaitForAsync(Sink.Count + messages, Patience);
        var begin = Stopwatch.GetTimestamp();
        (await Tool.RunAsync("smtp-source", arguments, timeout: Patience)).Checked();
        try
        {
            return Stopwatch.GetElapsedTime(begin, await allHere).TotalSeconds;
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"{Name}, {MailSizes.Name(size)}, {sessions} sessions: {e.Message}", e);
        }
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
