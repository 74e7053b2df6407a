using System.Net;
using System.Net.Sockets;

namespace GatewaySecure.Milter.Tests;

/// <summary>Peers that break the protocol: no program does this on purpose, so they are played here, octet by octet.</summary>
public sealed class BrokenFilterTests
{
    private const string Hello = "0000000d 4f 00000006 00000000 00000000";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("", "it closed the connection")]
    [InlineData("00000000 00", "an answer of 0 octets")]
    [InlineData("ffffffff 4f", "an answer of 4294967295 octets")]
    [InlineData("00000001 63", "it does not speak the milter protocol")]
    [InlineData("0000000d 4f 00000001 00000000 00000000", "it wants what was not offered")]
    [InlineData("0000000d 4f 00000006 00000000 80000000", "it wants what was not offered")]
    [InlineData(Hello, "it closed the connection")]
    [InlineData(Hello + "0000000a 63", "it closed the connection")]
    [InlineData(Hello + "00000001 7a", "the answer 0x7a is not expected here")]
    [InlineData(Hello + "00000006 68 58 00 59 00 00", "the answer 0x68 is not expected here")]
    public async Task Broken_answer_is_a_failure_and_no_verdict(string answers, string reason)
    {
        var failure = await Assert.ThrowsAsync<MilterException>(() => AskAsync(answers));
        Assert.Equal(reason, failure.Message);
    }

    [Fact]
    public async Task Filter_can_t_be_at_work_for_ever()
    {
        var progress = string.Concat(Enumerable.Repeat("00000001 70", 11));
        Assert.Equal("it is at work for too long", (await Assert.ThrowsAsync<MilterException>(() => AskAsync(Hello + progress))).Message);
    }

    [Fact]
    public async Task Number_of_changes_is_bounded()
    {
        // Answers to connect, helo, mail, two recipients, data, three fields, end of header; there is no body.
        var go = string.Concat(Enumerable.Repeat("00000001 63", 10));
        var added = string.Concat(Enumerable.Repeat("00000005 68 58 00 59 00", 201));
        Assert.Equal("the answer 0x68 is not expected here", (await Assert.ThrowsAsync<MilterException>(() => AskAsync(Hello + go + added))).Message);
    }

    private static async Task<MilterVerdict> AskAsync(string answers)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var filter = Task.Run(
            async () =>
            {
                using var peer = await listener.AcceptTcpClientAsync(Token);
                var stream = peer.GetStream();
                await stream.WriteAsync(Convert.FromHexString(answers.Replace(" ", "", StringComparison.Ordinal)), Token);
                peer.Client.Shutdown(SocketShutdown.Send);
                // Takes what is said to it, so that nothing is lost in a reset.
                await stream.CopyToAsync(Stream.Null, Token);
            },
            Token);
        using var client = new TcpClient();
        await client.ConnectAsync((IPEndPoint)listener.LocalEndpoint, Token);
        try
        {
            return await new MilterSession(client.GetStream(), TimeSpan.FromSeconds(20), TimeProvider.System)
                .AskAsync(SampleMail.With(Stream.Null), Token);
        }
        finally
        {
            client.Close();
            await filter;
        }
    }
}
