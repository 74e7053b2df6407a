using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Delivery;
using GatewaySecure.Gateway.Queue;
using GatewaySecure.Gateway.Reports;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Gateway.Tests.Spool;
using GatewaySecure.Policies;
using GatewaySecure.Smtp;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace GatewaySecure.Gateway.Tests.Queue;

/// <summary>The machine's clock is set while mail waits for a host that can't be reached.</summary>
public sealed class ClockTests : IDisposable
{
    private static readonly QueueOptions Options = new();

    private readonly SettableClock _clock = new();
    private readonly SpoolBench _spool;
    private readonly ScriptedNextHop _nextHop = new() { Throws = new DeliveryException("unreachable") };
    private readonly List<SpooledMail> _reports = [];

    public ClockTests() => _spool = new SpoolBench(time: _clock);

    public void Dispose() => _spool.Dispose();

    [Fact]
    public async Task A_clock_set_forward_by_a_month_gives_nothing_up_early()
    {
        var item = await PutAsync();
        await TryAsync(item);
        _clock.Offset += TimeSpan.FromDays(30);
        // Four days as they really pass: more than a month, less than five days.
        for (var hour = 0; hour < 96; hour += 4)
        {
            _clock.Real.Advance(TimeSpan.FromHours(4));
            await TryAsync(item);
            Assert.Equal(RecipientState.Queued, item.Status[0].State);
        }
        _clock.Real.Advance(TimeSpan.FromHours(25));
        await TryAsync(item);
        Assert.Equal(RecipientState.Failed, item.Status[0].State);
    }

    [Fact]
    public async Task A_clock_set_back_by_a_day_does_not_make_mail_wait_for_it()
    {
        var item = await PutAsync();
        await TryAsync(item);
        _clock.Offset -= TimeSpan.FromDays(1);
        _clock.Real.Advance(TimeSpan.FromMinutes(2));
        await TryAsync(item);
        Assert.Equal(2, item.Status[0].Attempts);
        // Nor is it tried without a pause.
        await TryAsync(item);
        Assert.Equal(2, item.Status[0].Attempts);
    }

    [Theory]
    [InlineData(30)]
    [InlineData(-30)]
    public async Task What_waits_in_the_agenda_waits_as_long_as_it_should(int days)
    {
        using var agenda = new Agenda<string>(_clock);
        agenda.Add("mail", _clock.GetUtcNow() + TimeSpan.FromMinutes(10));
        _clock.Offset += TimeSpan.FromDays(days);
        var taken = agenda.TakeAsync(QueueBench.Cancel);
        _clock.Real.Advance(TimeSpan.FromMinutes(9));
        Assert.False(taken.IsCompleted);
        _clock.Real.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal("mail", await taken);
    }

    [Fact]
    public async Task After_a_month_without_the_gateway_mail_is_tried_for_hours_before_it_is_given_up()
    {
        var id = (await PutAsync()).Id;
        _clock.Offset += TimeSpan.FromDays(30);
        var item = _spool.Reopen().Recover().Items.Single(i => i.Id == id);
        await TryAsync(item);
        Assert.Equal(RecipientState.Queued, item.Status[0].State);
        _clock.Real.Advance(TimeSpan.FromHours(4));
        await TryAsync(item);
        Assert.Equal(RecipientState.Failed, item.Status[0].State);
        Assert.Contains("Action: failed", System.Text.Encoding.UTF8.GetString(SpoolBench.ReadAll(_reports[^1])), StringComparison.Ordinal);
    }

    private async Task<SpooledMail> PutAsync()
    {
        await using var writer = _spool.Spool.Begin();
        await writer.WriteAsync(QueueBench.Message, QueueBench.Cancel);
        return await writer.CommitAsync(
            new AcceptedMail
            {
                AcceptedAt = _clock.GetUtcNow(),
                Envelope = new Envelope { Sender = MailAddress.Parse("alice@inside.example"), Recipients = [QueueBench.To("a@partner.example")] },
                Decisions = [QueueBench.Wants(ProtectionMethod.Normal)],
                Session = new SessionFacts("192.0.2.1", null, null, SenderEvidence.None, FromInside: true),
                HoldsEightBit = false,
            },
            QueueBench.Cancel);
    }

    private async Task TryAsync(SpooledMail item)
    {
        var reporter = new ReportWriter(_spool.Spool, _reports.Add, DomainName.Parse("mx.inside.example"), new QueueTimes(Options.ExpireAfter), _clock);
        var work = new ItemWork(
            new ScriptedProtector(_clock), new NextHopResolver([], _nextHop), reporter, Options, _clock, NullLogger<ItemWork>.Instance);
        await work.TryAsync(item, QueueBench.Cancel);
    }
}

/// <summary>Time passes as it does, and the clock on the wall can be set.</summary>
internal sealed class SettableClock : TimeProvider
{
    public FakeTimeProvider Real { get; } = new(QueueBench.Start);

    public TimeSpan Offset { get; set; }

    public override long TimestampFrequency => Real.TimestampFrequency;

    public override DateTimeOffset GetUtcNow() => Real.GetUtcNow() + Offset;

    public override long GetTimestamp() => Real.GetTimestamp();

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        Real.CreateTimer(callback, state, dueTime, period);
}
