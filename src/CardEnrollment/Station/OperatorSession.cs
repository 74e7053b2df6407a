using System.Security.Cryptography;
using GatewaySecure.CardEnrollment.Issuing;
using GatewaySecure.Cards;
using GatewaySecure.KdcTransport;
using GatewaySecure.KdcTransport.Operator;
using GatewaySecure.SmartCard;

namespace GatewaySecure.CardEnrollment.Station;

/// <summary>
/// An operator at this station, as long as his card is in the reader and the server answers. <see cref="Ended"/> is cancelled at once when the card
/// is pulled, which the server is told; when it ends the session; or when three heartbeats in a row stay without an answer. The PIN is asked for once and kept nowhere.
/// </summary>
internal sealed class OperatorSession : IAsyncDisposable
{
    private const int MissedHeartbeats = 3;

    private readonly CancellationTokenSource _ended = new();
    private readonly CancellationTokenSource _watching = new();
    private readonly CardConnection _card;
    private readonly TransportKey _transport;
    private readonly TimeProvider _time;
    private Task _watch = Task.CompletedTask;
    private Task _heartbeats = Task.CompletedTask;
    private string? _endReason;

    private OperatorSession(CardConnection card, TransportKey transport, OperatorClient client, TimeProvider time)
    {
        (_card, _transport, _time) = (card, transport, time);
        Client = client;
    }

    public OperatorClient Client { get; }

    public LogOnAnswer Facts { get; private set; } = null!;

    /// <summary>For what comes from the vault.</summary>
    public RSA TransportKey => _transport.Key;

    public CancellationToken Ended => _ended.Token;

    /// <summary>Why it ended, one plain sentence; null while it is open.</summary>
    public string? EndReason => Volatile.Read(ref _endReason);

    /// <param name="card">The operator's; the session's from now on.</param>
    /// <param name="transport">The session's from now on.</param>
    /// <param name="pin">Cleared, whatever happens.</param>
    /// <exception cref="CardException">The PIN is wrong, or the card has no key to log on with.</exception>
    /// <exception cref="KdcCore.AdministrationException">The server refuses.</exception>
    /// <exception cref="KdcUnavailableException">The server does not answer, or is not the pinned one.</exception>
    public static async Task<OperatorSession> OpenAsync(
        StationFolder station, CardConnection card, TransportKey transport, char[] pin, TimeProvider time, CancellationToken cancellationToken)
    {
        var client = new OperatorClient(new KdcServerAddress(station.Server, station.Trust, null, TimeSpan.FromSeconds(20)), time);
        var session = new OperatorSession(card, transport, client, time);
        try
        {
            // Watched before the log-on: a card that is pulled in between ends it too.
            session._watch = session.WatchAsync();
            var certificate = session.Certificate();
            session.Facts = await client.LogOnAsync(
                station.Realm, certificate, station.PublicKey, text => session.Sign(text, pin), cancellationToken);
            session._heartbeats = session.BeatAsync(TimeSpan.FromSeconds(session.Facts.HeartbeatSeconds));
            return session;
        }
        catch
        {
            await session.DisposeAsync();
            throw;
        }
        finally
        {
            Array.Clear(pin);
        }
    }

    /// <summary>A signature of the operator's card under his PIN.</summary>
    /// <exception cref="CardException">The PIN is wrong, or the card is gone.</exception>
    public byte[] Sign(byte[] text, ReadOnlySpan<char> pin)
    {
        using var session = _card.Card.BeginSession();
        switch (_card.Card.Verify(CardPin.User, pin, CardUse.Authenticate))
        {
            case PinResult.Wrong(var left):
                throw new CardException(CardFault.PinNeeded, PinWords.Wrong(CardPin.User, left));
            case PinResult.Blocked:
                throw new CardException(CardFault.PinNeeded, PinWords.Blocked(CardPin.User, _card.Card.Describe()));
        }
        return new CardKeySet(_card.Card, _time).Sign(CardUse.Authenticate, text);
    }

    public async ValueTask DisposeAsync()
    {
        await End("The operator logged off.", tell: Facts is not null);
        await _watching.CancelAsync();
        await _watch;
        await _heartbeats;
        Client.Dispose();
        _transport.Dispose();
        _card.Dispose();
        _watching.Dispose();
        _ended.Dispose();
    }

    private byte[] Certificate()
    {
        using var session = _card.Card.BeginSession();
        return new CardKeySet(_card.Card, _time).Present(CardUse.Authenticate) is { Certificate.IsEmpty: false } held
            ? held.Certificate.ToArray()
            : throw new CardException(CardFault.NotFound, "The operator's card has no authentication key with a certificate: 'cardstation operator-card' makes one.");
    }

    private async Task WatchAsync()
    {
        try
        {
            await _card.WaitForRemovalAsync(_time, _watching.Token);
            await End("The operator's card was pulled.", tell: true);
        }
        catch (OperationCanceledException)
        {
            // The session is closed otherwise.
        }
    }

    private async Task BeatAsync(TimeSpan interval)
    {
        var missed = 0;
        using var timer = new PeriodicTimer(interval, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(_ended.Token))
            {
                // A server that hangs is as far away as one that is not there.
                using var limit = new CancellationTokenSource(interval, _time);
                using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, _ended.Token);
                try
                {
                    await Client.HeartbeatAsync(either.Token);
                    missed = 0;
                }
                catch (SessionEndedException e)
                {
                    await End(e.Message, tell: false);
                }
                catch (Exception e) when (e is KdcUnavailableException || e is OperationCanceledException && !_ended.IsCancellationRequested)
                {
                    if (++missed == MissedHeartbeats)
                        await End("The KDC server does not answer any more.", tell: false);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The session has ended.
        }
    }

    private async Task End(string reason, bool tell)
    {
        if (Interlocked.CompareExchange(ref _endReason, reason, null) is not null)
            return;
        await _ended.CancelAsync();
        if (!tell || Facts is null)
            return;
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(2), _time);
        try
        {
            await Client.EndAsync(reason, limit.Token);
        }
        catch (Exception e) when (e is SessionEndedException or KdcUnavailableException or KdcCore.AdministrationException or OperationCanceledException)
        {
            // The server ends it by itself when heartbeats stay out.
        }
    }
}
