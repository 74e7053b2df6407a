using System.Net;
using System.Net.Sockets;
using System.Text;
using GatewaySecure.TestKit;

namespace GatewaySecure.Milter.Tests;

/// <summary>Every answer that libmilter can give, from a filter written with it.</summary>
public sealed class OddMilterTests(OddMilter filter) : IClassFixture<OddMilter>
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Fields_that_the_filter_adds_are_given_back_with_their_folding()
    {
        var accepted = Assert.IsType<MilterVerdict.Accepted>(await AskAsync("describe", new byte[200_000]));
        Assert.Equal(
            [
                new AddedField("X-Seen", "200000 octets from <bob@example.org> to <alice@example.com> <carol@example.com> as q1"),
                new AddedField("X-Folded", "one\r\n\ttwo"),
            ],
            accepted.Added.OrderByDescending(f => f.Name));
    }

    [Fact]
    public async Task Filter_that_has_seen_enough_gets_no_more_of_the_body()
    {
        var body = new CountingStream(10 << 20);
        var accepted = Assert.IsType<MilterVerdict.Accepted>(await AskAsync("skip", body));
        Assert.StartsWith("65535 octets", accepted.Added.Single(f => f.Name == "X-Seen").Value, StringComparison.Ordinal);
        Assert.True(body.Position < 1 << 20);
    }

    [Fact]
    public async Task Mail_of_200_MB_is_streamed()
    {
        var accepted = Assert.IsType<MilterVerdict.Accepted>(await AskAsync("describe", new CountingStream(200 << 20)));
        Assert.StartsWith("209715200 octets", accepted.Added.Single(f => f.Name == "X-Seen").Value, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("reject", "Rejected { Reason = rejected }")]
    [InlineData("reject-early", "Rejected { Reason = rejected }")]
    [InlineData("reply-554", "Rejected { Reason = 554 5.7.1 Not with us }")]
    [InlineData("reply-451", "TryLater { Reason = 451 4.7.1 Come back later }")]
    [InlineData("tempfail", "TryLater { Reason = it can't tell now }")]
    [InlineData("discard", "Discarded { }")]
    [InlineData("quarantine", "Quarantined { Reason = looks odd }")]
    [InlineData("second-subject", "ChangeRefused { Change = to add the header field Subject }")]
    [InlineData("bad-header", "ChangeRefused { Change = to add a malformed header field }")]
    [InlineData("change-header", "ChangeRefused { Change = to change a header field }")]
    [InlineData("replace-body", "ChangeRefused { Change = to replace the body }")]
    [InlineData("add-recipient", "ChangeRefused { Change = to change the recipients }")]
    [InlineData("delete-recipient", "ChangeRefused { Change = to change the recipients }")]
    [InlineData("change-sender", "ChangeRefused { Change = to change the sender }")]
    public async Task Every_answer_has_its_verdict(string wish, string verdict) =>
        Assert.Equal(verdict, (await AskAsync(wish, "Text\r\n"u8.ToArray())).ToString());

    [Fact]
    public async Task Filter_that_says_it_is_at_work_gets_more_time() =>
        Assert.IsType<MilterVerdict.Accepted>(await AskAsync("progress", new byte[10], TimeSpan.FromSeconds(1)));

    [Fact]
    public async Task Filter_that_says_nothing_is_given_up()
    {
        var failure = await Assert.ThrowsAsync<MilterException>(() => AskAsync("sleep", new byte[10], TimeSpan.FromSeconds(1)));
        Assert.Equal("no answer within 1 seconds", failure.Message);
    }

    private Task<MilterVerdict> AskAsync(string wish, byte[] body, TimeSpan? patience = null) => AskAsync(wish, new MemoryStream(body), patience);

    private async Task<MilterVerdict> AskAsync(string wish, Stream body, TimeSpan? patience = null)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, filter.Port, Token);
        var mail = SampleMail.With(body, new MilterField("X-Test", Encoding.ASCII.GetBytes(" " + wish)));
        return await new MilterSession(client.GetStream(), patience ?? TimeSpan.FromSeconds(20), TimeProvider.System).AskAsync(mail, Token);
    }
}

/// <summary>The filter, running.</summary>
public sealed class OddMilter : IAsyncLifetime
{
    private OddFilter _filter = null!;

    public int Port => _filter.Port;

    public async ValueTask InitializeAsync() => _filter = await OddFilter.StartAsync();

    public ValueTask DisposeAsync() => _filter.DisposeAsync();
}

/// <summary>So many spaces in lines, made as they are read.</summary>
internal sealed class CountingStream(long length) : Stream
{
    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => length;

    public override long Position { get; set; }

    public override int Read(byte[] buffer, int offset, int count)
    {
        var take = (int)Math.Min(count, length - Position);
        buffer.AsSpan(offset, take).Fill((byte)' ');
        Position += take;
        return take;
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}

internal static class SampleMail
{
    public static MilterMail With(Stream body, params MilterField[] fields) => new()
    {
        HostName = "gw.example.org",
        QueueId = "q1",
        Client = IPAddress.Parse("192.0.2.1"),
        Helo = "client.example.org",
        Sender = "bob@example.org",
        Recipients = ["alice@example.com", "carol@example.com"],
        Fields =
        [
            new MilterField("From", " Bob <bob@example.org>"u8.ToArray()),
            new MilterField("Date", " Mon, 23 Nov 2026 10:00:00 +0000"u8.ToArray()),
            new MilterField("Subject", " two\r\n\tlines"u8.ToArray()),
            .. fields,
        ],
        Body = body,
    };
}
