using System.Net.Sockets;
using System.Text;
using GatewaySecure.Gateway.Control;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Gateway.Tests.Queue;
using GatewaySecure.Policies;
using GatewaySecure.TestKit;
using Microsoft.Extensions.Logging.Abstractions;

namespace GatewaySecure.Gateway.Tests.Control;

public sealed class ControlChannelTests : IAsyncLifetime
{
    private readonly ControlBench _bench = new();
    private readonly TempDirectory _folder = new();
    private ControlListener _listener = null!;

    private string Path => _folder["control.sock"];

    public ValueTask InitializeAsync()
    {
        File.WriteAllText(Path, "left by a dead gateway");
        _listener = ControlListener.Start(Path, new GatewayControl(_bench.Control, null!), _bench.Bench.Time, NullLogger.Instance)!;
        Assert.NotNull(_listener);
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _listener.DisposeAsync();
        _folder.Dispose();
        _bench.Dispose();
    }

    [Fact]
    public async Task A_command_goes_through_the_socket_under_the_name_that_the_system_gives_its_user()
    {
        var item = await _bench.PutAsync(QueueBench.Wants(ProtectionMethod.Normal), "bob@a.example");
        using var client = await ControlClient.TryConnectAsync(Path, QueueBench.Cancel);
        Assert.NotNull(client);
        var request = new ControlRequest { Verb = ControlVerb.Hold, Filter = new QueueFilter { All = true } };
        var replies = new List<ControlReply>();
        await foreach (var reply in client.AskAsync(request, QueueBench.Cancel))
            replies.Add(reply);
        Assert.Equal(item.Id.ToString(), replies[0].Line!.Id);
        Assert.Equal((1, 1, 0), (replies[1].Done!.Mails, replies[1].Done!.Recipients, replies[1].Done!.Failed));
        Assert.Equal(RecipientState.Held, item.Status[0].State);
        Assert.Equal(SystemUsers.Current().Description, Assert.Single(_bench.Audit.Events).Actor);
        if (OperatingSystem.IsLinux())
            Assert.StartsWith($"{Environment.UserName} (uid ", SystemUsers.Current().Description, StringComparison.Ordinal);
    }

    [Fact]
    public void Only_the_owner_can_open_the_socket()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no modes.");
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path));
    }

    [Theory]
    [InlineData("nonsense\n")]
    [InlineData("{}\n")]
    [InlineData("null\n")]
    [InlineData("""{"verb":"explode"}""" + "\n")]
    [InlineData("""{"verb":3,"filter":{"all":true}}""" + "\n")]
    [InlineData("""{"verb":"delete"}""" + "\n")]
    [InlineData("""{"verb":"delete","filter":null}""" + "\n")]
    [InlineData("""{"verb":"delete","filter":{"ids":null}}""" + "\n")]
    [InlineData("""{"verb":"delete","filter":{"ids":[null]}}""" + "\n")]
    [InlineData("""{"verb":"delete","filter":{"all":true,"newer":"unknown"}}""" + "\n")]
    [InlineData("""{"verb":"delete","filter":{"domain":["a b"]}}""" + "\n")]
    public async Task A_request_that_is_none_is_answered_with_a_problem_and_does_nothing(string line)
    {
        var item = await _bench.PutAsync(QueueBench.Wants(ProtectionMethod.Normal), "bob@a.example");
        Assert.StartsWith("{\"problem\":", await TalkAsync(Encoding.UTF8.GetBytes(line)), StringComparison.Ordinal);
        Assert.Equal(RecipientStatus.New, item.Status[0]);
        Assert.NotNull(_bench.Runner.Find(item.Id));
    }

    [Fact]
    public async Task A_request_without_an_end_is_cut_off_by_its_length()
    {
        var answer = await TalkAsync(Encoding.UTF8.GetBytes(new string('x', ControlListener.MaxRequest + 100_000)));
        Assert.True(answer.Length == 0 || answer.StartsWith("{\"problem\":", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Silent_clients_take_up_no_more_than_their_places_and_lose_those_in_time()
    {
        var silent = new List<Socket>();
        for (var i = 0; i < 20; i++)
            silent.Add(await ConnectAsync());
        try
        {
            // The ones beyond the limit are closed at once.
            await UntilAsync(() => silent.Count(IsClosed) >= 12);
            Assert.Equal(12, silent.Count(IsClosed));
            await UntilAsync(() =>
            {
                _bench.Bench.Time.Advance(TimeSpan.FromSeconds(1));
                return silent.All(IsClosed);
            });
        }
        finally
        {
            silent.ForEach(s => s.Dispose());
        }
        Assert.Contains("\"done\":", await TalkAsync("""{"verb":"list"}"""u8.ToArray().Append((byte)'\n').ToArray()), StringComparison.Ordinal);
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        for (var i = 0; i < 500 && !condition(); i++)
            await Task.Delay(20, QueueBench.Cancel);
        Assert.True(condition());
    }

    /// <summary>The other side said or closed something.</summary>
    private static bool IsClosed(Socket socket) => socket.Poll(0, SelectMode.SelectRead);

    private async Task<Socket> ConnectAsync()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(Path), QueueBench.Cancel);
        return socket;
    }

    private async Task<string> TalkAsync(byte[] octets)
    {
        await using var stream = new NetworkStream(await ConnectAsync(), ownsSocket: true);
        try
        {
            await stream.WriteAsync(octets, QueueBench.Cancel);
            using var reader = new StreamReader(stream, Encoding.UTF8);
            return await reader.ReadToEndAsync(QueueBench.Cancel).WaitAsync(TimeSpan.FromSeconds(20), QueueBench.Cancel);
        }
        catch (IOException)
        {
            // Closed while we still wrote.
            return "";
        }
    }
}
