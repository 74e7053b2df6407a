using System.Net;
using System.Net.Sockets;
using System.Text;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>Next hops that stop answering, each at another point: none is waited for longer than the configuration says, and no mail is lost.</summary>
public sealed class TimeLimitTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_time_limit_of_next_hops_is_the_configured_one_and_the_log_says_which_was_met()
    {
        using var full = new FullListener();
        await full.FillAsync();
        await using var greeting = SilentAt("greeting");
        await using var command = SilentAt("RCPT");
        await using var data = SilentAt("DATA");
        await using var block = SilentAt("content");
        await using var end = SilentAt(".");
        await using var sink = new SmtpSink();
        (string Name, int Port, string Said)[] hops =
        [
            ("connect", full.Port, "no connection within 1 seconds"),
            ("greeting", greeting.Port, "Timed out waiting for the greeting, after 2 seconds."),
            ("command", command.Port, "Timed out waiting for a reply, after 3 seconds."),
            ("data", data.Port, "Timed out waiting for a reply, after 4 seconds."),
            ("block", block.Port, "Timed out sending, after 5 seconds."),
            ("end", end.Port, "Timed out waiting for the reply to the end of the mail, after 6 seconds. It has all of the mail"),
        ];
        await using var gateway = new GatewayProcess(new GatewaySetup
        {
            NextHopPort = sink.Port,
            OtherHops = [.. hops.Select(h => ($"{h.Name}.example", $"smtp: 127.0.0.1:{h.Port}\ntls: never"))],
            More = "delivery:\n  connect-timeout: 1s\n  greeting-timeout: 2s\n  command-timeout: 3s\n  data-command-timeout: 4s\n  block-timeout: 5s\n  final-dot-timeout: 6s\n",
        });
        await gateway.StartAsync();
        foreach (var (name, _, _) in hops)
        {
            // More than the sockets on the way hold, for the one that does not read it.
            var body = name == "block" ? string.Concat(Enumerable.Repeat(new string('x', 998) + "\r\n", 24_000)) : "text";
            using var talker = await SmtpTalker.GreetAsync(gateway.RelayPort);
            var mail = Encoding.ASCII.GetBytes(Mails.Text(Mails.NewId(), "sender@example.org", $"reader@{name}.example", body));
            Assert.StartsWith("250", await talker.DeliverAsync("sender@example.org", $"reader@{name}.example", mail), StringComparison.Ordinal);
        }
        foreach (var (name, port, said) in hops)
            await gateway.Child.WaitForLineAsync($"{name}-example (127.0.0.1:{port}): {said}", TimeSpan.FromSeconds(30));
        Assert.Equal(hops.Length, (await gateway.QueueAsync()).GetArrayLength());
    }

    /// <summary>Answers everything well until it comes to that.</summary>
    private static LoopbackServer SilentAt(string step) => new(async (stream, cancel) =>
    {
        using var reader = new StreamReader(stream, Encoding.Latin1);
        if (step != "greeting")
            await SayAsync("220 here");
        while (step != "greeting" && await reader.ReadLineAsync(cancel) is { } line && !line.StartsWith(step, StringComparison.Ordinal))
        {
            var isData = line == "DATA";
            await SayAsync(isData ? "354 go on" : "250 fine");
            while (isData && step == "." && await reader.ReadLineAsync(cancel) is not ".")
            {
                // The content is for nobody.
            }
            if (isData)
                break;
        }
        await Task.Delay(Timeout.Infinite, cancel);

        ValueTask SayAsync(string reply) => stream.WriteAsync(Encoding.ASCII.GetBytes(reply + "\r\n"), cancel);
    });

    /// <summary>Somebody who accepts nobody: his system drops who knocks once its queue is full.</summary>
    private sealed class FullListener : IDisposable
    {
        private readonly Socket _socket = new(SocketType.Stream, ProtocolType.Tcp);
        private readonly List<Socket> _waiting = [];

        public FullListener()
        {
            _socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            _socket.Listen(0);
        }

        public int Port => ((IPEndPoint)_socket.LocalEndPoint!).Port;

        public async Task FillAsync()
        {
            for (var i = 0; i < 16; i++)
            {
                var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
                _waiting.Add(socket);
                using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
                limit.CancelAfter(TimeSpan.FromSeconds(1));
                try
                {
                    await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, Port), limit.Token);
                }
                catch (OperationCanceledException) when (!Cancel.IsCancellationRequested)
                {
                    return;
                }
            }
            Assert.Fail("The listener's queue has no end.");
        }

        public void Dispose()
        {
            _socket.Dispose();
            foreach (var socket in _waiting)
                socket.Dispose();
        }
    }
}
