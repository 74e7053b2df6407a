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
    public async Task Waiting_for_a_card_ends_with_the_time() =>
        Assert.Null(await CardWatcher.WaitForCardAsync("no such reader", TimeSpan.FromMilliseconds(300), TimeProvider.System, TestContext.Current.CancellationToken));

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
