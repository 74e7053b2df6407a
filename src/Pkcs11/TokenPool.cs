using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Net.Pkcs11Interop.Common;

namespace GatewaySecure.Pkcs11;

/// <summary>What a pool opens its sessions with.</summary>
/// <param name="Pin">Asked before each login; what it throws reaches the caller.</param>
/// <param name="MaximumSessions">Calls beyond it wait.</param>
public sealed record TokenPoolOptions(string ModulePath, TokenSelector Token, Func<string> Pin, int MaximumSessions = 8)
{
    /// <summary>The first pause after the token was not to be had; it doubles up to <see cref="LongestPause"/>.</summary>
    public TimeSpan FirstPause { get; init; } = TimeSpan.FromMilliseconds(200);

    public TimeSpan LongestPause { get; init; } = TimeSpan.FromSeconds(5);
}

/// <summary>Whether a pool has its token.</summary>
/// <param name="Problem">Null while it has; else why not, one plain sentence.</param>
public sealed record TokenState(DateTimeOffset Since, string? Problem)
{
    public bool IsAvailable => Problem is null;
}

/// <summary>
/// Sessions of a logged-in user with one token, for many callers at once. Heals itself: a session that has ended is replaced and the call
/// done again; a token that went is looked for with growing pauses, between which calls fail at once, and is used again when it is back.
/// A PIN that the token refused is not tried a second time. Thread-safe.
/// </summary>
public sealed class TokenPool(TokenPoolOptions options, TimeProvider time) : IDisposable
{
    private const int Attempts = 3;

    private readonly ConcurrentStack<TokenSession> _idle = new();
    private readonly SemaphoreSlim _places = new(options.MaximumSessions, options.MaximumSessions);
    private readonly Lock _opening = new();

    private volatile TokenState _state = new(time.GetUtcNow(), null);
    private Pkcs11Module? _module;
    private TimeSpan _pause;
    private DateTimeOffset _notBefore = DateTimeOffset.MinValue;
    private DateTimeOffset _nextDoubt = DateTimeOffset.MinValue;
    private byte[]? _refusedPin;
    private volatile bool _disposed;

    /// <summary>As the last calls found it.</summary>
    public TokenState State => _state;

    /// <summary>Called with each change of <see cref="State"/>; must be quick.</summary>
    public event Action<TokenState>? StateChanged;

    /// <summary>A short call with a session of the pool's, logged in; waits for a free one. A call whose session had ended is done a second time.</summary>
    /// <exception cref="TokenException">The token is away, or the call failed.</exception>
    public async ValueTask<T> RunAsync<T>(Func<TokenSession, T> call, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(call);
        await _places.WaitAsync(cancellationToken);
        try
        {
            return RunHere(call);
        }
        finally
        {
            _places.Release();
        }
    }

    /// <summary>The same for callers that can't wait asynchronously, such as keys behind the platform's types.</summary>
    public T Run<T>(Func<TokenSession, T> call)
    {
        ArgumentNullException.ThrowIfNull(call);
        _places.Wait();
        try
        {
            return RunHere(call);
        }
        finally
        {
            _places.Release();
        }
    }

    /// <summary>Asks the token for a sign of life, unless a pause is on.</summary>
    public async ValueTask<TokenState> ProbeAsync(CancellationToken cancellationToken = default)
    {
        try
        {
            await RunAsync(session => session.Random(1), cancellationToken);
        }
        catch (TokenException)
        {
            // The state says so.
        }
        return _state;
    }

    /// <summary>Closes the idle sessions; the last one logs out.</summary>
    public void Dispose()
    {
        _disposed = true;
        CloseIdle();
    }

    private T RunHere<T>(Func<TokenSession, T> call)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        TokenSession? failed = null;
        for (var attempt = 1; ; attempt++)
        {
            var session = Rent(attempt, failed);
            var keep = true;
            try
            {
                var result = _module!.Call(_ => call(session));
                Available();
                return result;
            }
            catch (TokenException e) when (e.DoubtsSession)
            {
                keep = false;
                failed = session;
                // Where the token itself answers, the call may be what is wrong: it must not have the module initialised time and again.
                if (attempt + 1 < Attempts || attempt < Attempts && MayInitialize(e))
                    continue;
                if (e.Fault is TokenFault.TokenAway or TokenFault.Stale)
                    Away(e);
                throw;
            }
            finally
            {
                Return(session, keep);
            }
        }
    }

    private bool MayInitialize(TokenException e)
    {
        lock (_opening)
        {
            var now = time.GetUtcNow();
            if ((e.Fault is TokenFault.Failed or TokenFault.NotFound) && now < _nextDoubt)
                return false;
            _nextDoubt = now + options.LongestPause;
            return true;
        }
    }

    /// <summary>First an idle session, then a fresh one, at last a fresh one of a module that was initialised anew.</summary>
    private TokenSession Rent(int attempt, TokenSession? failed)
    {
        while (attempt == 1 && _idle.TryPop(out var idle))
        {
            if (idle.Generation == _module!.Generation)
                return idle;
        }
        lock (_opening)
        {
            if (_state.Problem is { } problem && time.GetUtcNow() < _notBefore)
                throw new TokenException(TokenFault.TokenAway, problem);
            try
            {
                _module ??= Pkcs11Module.Load(options.ModulePath);
                if (attempt == Attempts || _state.Problem is not null)
                    _module.Reinitialize(failed?.Generation ?? _module.Generation);
                return OpenOrLookAgain(_module);
            }
            catch (TokenException e)
            {
                Away(e);
                throw;
            }
        }
    }

    /// <summary>What a module remembers of its tokens may no longer be true.</summary>
    private TokenSession OpenOrLookAgain(Pkcs11Module module)
    {
        var generation = module.Generation;
        try
        {
            return Open(module);
        }
        catch (TokenException e) when (e.DoubtsSession)
        {
            module.Reinitialize(generation);
            return Open(module);
        }
    }

    private TokenSession Open(Pkcs11Module module)
    {
        var slot = module.Find(options.Token);
        return module.Call(library =>
        {
            var session = new TokenSession(Pkcs11Module.Slot(library, slot.Id).OpenSession(SessionType.ReadWrite), module.Generation);
            try
            {
                Login(session);
                return session;
            }
            catch
            {
                session.Close();
                throw;
            }
        });
    }

    private void Login(TokenSession session)
    {
        var pin = options.Pin();
        var digest = SHA256.HashData(Encoding.UTF8.GetBytes(pin));
        if (_refusedPin is not null && _refusedPin.AsSpan().SequenceEqual(digest))
            throw new TokenException(TokenFault.PinWrong, $"{options.Token} refused this PIN before; it is not tried again, lest it locks.");
        try
        {
            session.Login(CKU.CKU_USER, pin);
        }
        catch (TokenException e) when (e.InnerException is Pkcs11Exception { RV: CKR.CKR_USER_ALREADY_LOGGED_IN })
        {
            // By another session of this process: the login is the token's, not the session's.
        }
        catch (TokenException e) when (e.Fault == TokenFault.PinWrong)
        {
            _refusedPin = digest;
            throw;
        }
    }

    private void Return(TokenSession session, bool keep)
    {
        if (keep && !_disposed && session.Generation == _module!.Generation)
            _idle.Push(session);
        else
            Close(session);
    }

    private void Available()
    {
        if (_state.IsAvailable)
            return;
        lock (_opening)
        {
            if (_state.IsAvailable)
                return;
            _pause = TimeSpan.Zero;
            _state = new TokenState(time.GetUtcNow(), null);
        }
        StateChanged?.Invoke(_state);
    }

    private void Away(TokenException e)
    {
        TokenState? changed = null;
        lock (_opening)
        {
            _pause = _pause == TimeSpan.Zero ? options.FirstPause : _pause * 2 < options.LongestPause ? _pause * 2 : options.LongestPause;
            _notBefore = time.GetUtcNow() + _pause;
            if (_state.Problem != e.Message)
                changed = _state = new TokenState(_state.IsAvailable ? time.GetUtcNow() : _state.Since, e.Message);
        }
        CloseIdle();
        if (changed is not null)
            StateChanged?.Invoke(changed);
    }

    private void CloseIdle()
    {
        while (_idle.TryPop(out var session))
            Close(session);
    }

    private void Close(TokenSession session)
    {
        if (_module is not { } module)
            return;
        try
        {
            module.Call(_ =>
            {
                if (session.Generation == module.Generation)
                    session.Close();
                return true;
            });
        }
        catch (TokenException)
        {
            // The module is not initialised: no session is left.
        }
    }
}
