using System.Threading.Channels;
using GatewaySecure.Cards;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.SmartCard.Tests;

/// <summary>Insertion, removal, readers and the service itself, as the watcher tells of them.</summary>
[Collection("pcscd")]
public sealed class CardWatcherTests(PrivatePcscd pcscd)
{
    [Fact]
    public async Task Insertion_and_removal_are_told_for_every_reader()
    {
        using var first = VirtualOpenPgpCard.CreateInMemory();
        using var second = VirtualPivCard.CreateInMemory();
        await using var watch = new Watch();
        await watch.UntilAsync(e => e is CardEvent.ReaderAdded);
        await watch.UntilAsync(e => e is CardEvent.ReaderAdded);
        await using (var one = await pcscd.PlugAsync(first))
        {
            var inserted = (CardEvent.Inserted)await watch.UntilAsync(e => e is CardEvent.Inserted);
            Assert.Equal(one.Reader, inserted.Reader);
            Assert.Equal(first.Atr.ToArray(), inserted.Atr.ToArray());
            await using (var two = await pcscd.PlugAsync(second, slot: 1))
            {
                Assert.Equal(two.Reader, ((CardEvent.Inserted)await watch.UntilAsync(e => e is CardEvent.Inserted)).Reader);
            }
            Assert.NotEqual(one.Reader, ((CardEvent.Removed)await watch.UntilAsync(e => e is CardEvent.Removed)).Reader);
        }
        Assert.IsType<CardEvent.Removed>(await watch.UntilAsync(e => e is CardEvent.Removed or CardEvent.Inserted));
    }

    [Fact]
    public async Task A_restart_of_the_service_removes_the_cards_and_finds_them_again()
    {
        using var card = VirtualOpenPgpCard.CreateInMemory();
        await using var watch = new Watch();
        await using (await pcscd.PlugAsync(card))
        {
            await watch.UntilAsync(e => e is CardEvent.Inserted);
            await pcscd.StopAsync();
            Assert.IsType<CardEvent.Removed>(await watch.UntilAsync(e => e is CardEvent.Removed or CardEvent.ServiceLost));
            await watch.UntilAsync(e => e is CardEvent.ServiceLost);
        }
        await pcscd.StartAsync();
        await watch.UntilAsync(e => e is CardEvent.ServiceFound);
        await using var again = await pcscd.PlugAsync(card);
        await watch.UntilAsync(e => e is CardEvent.Inserted);
    }

    [Fact]
    public async Task Another_program_that_uses_the_card_is_no_event()
    {
        using var card = VirtualOpenPgpCard.CreateInMemory();
        await using var watch = new Watch();
        await using (var plugged = await pcscd.PlugAsync(card))
        {
            await watch.UntilAsync(e => e is CardEvent.Inserted);
            using var context = new PcscContext();
            using var channel = context.Connect(plugged.Reader);
            OpenPgpCard.Select(channel);
        }
        Assert.IsType<CardEvent.Removed>(await watch.UntilAsync(_ => true));
    }

    [Fact]
    public async Task A_program_that_waits_for_a_card_has_it_when_it_comes()
    {
        using var card = VirtualPivCard.CreateInMemory();
        var waiting = CardConnection.OpenAsync(new CardChoice(), TimeSpan.FromSeconds(30), TimeProvider.System, TestContext.Current.CancellationToken);
        await using var plugged = await pcscd.PlugAsync(card, slot: 1);
        using var connection = await waiting;
        using var session = connection.Card.BeginSession();
        Assert.Equal(card.Serial, connection.Card.Describe().Serial);
    }

    [Fact]
    public async Task Waiting_for_a_card_ends_with_the_time()
    {
        var late = CardConnection.OpenAsync(
            new CardChoice("no such reader"), TimeSpan.FromMilliseconds(300), TimeProvider.System, TestContext.Current.CancellationToken);
        Assert.Equal(CardFault.NoCard, (await Assert.ThrowsAsync<CardException>(() => late)).Fault);
    }

    [Fact]
    public async Task A_card_of_another_kind_in_the_first_reader_is_passed_over()
    {
        using var stranger = new Stranger();
        using var ours = VirtualOpenPgpCard.CreateInMemory();
        await using var first = await pcscd.PlugAsync(stranger);
        Assert.Equal(CardFault.NotFound, Assert.Throws<CardException>(() => CardConnection.Open(new CardChoice())).Fault);
        await using var second = await pcscd.PlugAsync(ours, slot: 1);
        using (var connection = CardConnection.Open(new CardChoice()))
            Assert.Equal(CardKind.OpenPgp, connection.Card.Kind);
        using var waited = await CardConnection.OpenAsync(
            new CardChoice(), TimeSpan.FromSeconds(30), TimeProvider.System, TestContext.Current.CancellationToken);
        Assert.Equal(CardKind.OpenPgp, waited.Card.Kind);
    }

    [Theory]
    // Upper half: events; 20: present, 10: empty, 200: mute, 100: in use.
    [InlineData(0x00010020, 0x00030022, "Removed Inserted")]
    [InlineData(0x00010020, 0x00010122, "")]
    [InlineData(0x00010020, 0x00020012, "Removed")]
    [InlineData(0x00020010, 0x00030022, "Inserted")]
    [InlineData(0x00020010, 0x00030222, "")]
    [InlineData(0x00020010, 0x00040012, "")]
    public void The_counter_of_events_shows_what_happened_between_two_looks(uint before, uint now, string told)
    {
        var events = Channel.CreateUnbounded<CardEvent>();
        new ReaderWatch(events.Writer, TestContext.Current.CancellationToken).Compare(new ReaderState("reader", before), new ReaderState("reader", now));
        var names = new List<string>();
        while (events.Reader.TryRead(out var one))
            names.Add(one.GetType().Name);
        Assert.Equal(told, string.Join(' ', names));
    }

    /// <summary>A card that knows no application.</summary>
    private sealed class Stranger : IVirtualCard
    {
        public ReadOnlyMemory<byte> Atr { get; } = VirtualOpenPgpCard.CreateInMemory().Atr;

        public string Serial => "";

        public byte[] Process(ReadOnlySpan<byte> commandApdu) => [0x6A, 0x82];

        public void Reset()
        {
        }

        public void Dispose()
        {
        }
    }

    /// <summary>One enumeration, with a bound on every wait.</summary>
    private sealed class Watch : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly IAsyncEnumerator<CardEvent> _events;
        private Task<bool>? _next;

        public Watch() => _events = CardWatcher.WatchAsync(_stop.Token).GetAsyncEnumerator(_stop.Token);

        public async Task<CardEvent> UntilAsync(Func<CardEvent, bool> wanted)
        {
            while (true)
            {
                _next ??= _events.MoveNextAsync().AsTask();
                Assert.True(await _next.WaitAsync(TimeSpan.FromSeconds(30)));
                _next = null;
                if (wanted(_events.Current))
                    return _events.Current;
            }
        }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            try
            {
                if (_next is not null)
                    await _next;
            }
            catch (OperationCanceledException)
            {
                // Asked for.
            }
            await _events.DisposeAsync();
            _stop.Dispose();
        }
    }
}
