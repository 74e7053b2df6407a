using GatewaySecure.TestKit;

namespace GatewaySecure.Pkcs11.Tests;

/// <summary>The pool, with a token that goes, comes back, and is disturbed.</summary>
public sealed class PoolTests : IAsyncLifetime
{
    private SoftToken _token = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _token = await SoftHsm.Instance.CreateTokenAsync();

    [Fact]
    public void A_token_is_found_by_label_and_by_serial_number()
    {
        using var pool = Pool();
        Assert.Equal(16, pool.Run(s => s.Random(16)).Length);
        var serial = Pkcs11Module.Load(SoftHsm.Module).Find(new TokenSelector(_token.Label)).Token!.Serial;
        using var same = Pool(selector: new TokenSelector(null, serial));
        Assert.True(same.Run(s => s.Random(1)).Length == 1);
        using var other = Pool(selector: new TokenSelector(_token.Label, "no such"));
        var e = Assert.Throws<TokenException>(() => other.Run(s => s.Random(1)));
        Assert.Equal(TokenFault.TokenAway, e.Fault);
        Assert.Contains(_token.Label, e.Message, StringComparison.Ordinal);
        Assert.False(other.State.IsAvailable);
    }

    [Fact]
    public void A_file_that_is_no_module_is_told_apart_from_a_missing_one()
    {
        Assert.Contains("There is no PKCS#11 module", Assert.Throws<TokenException>(() => Pkcs11Module.Load("/nonexistent/x.so")).Message, StringComparison.Ordinal);
        Assert.Equal(TokenFault.ModuleMissing, Assert.Throws<TokenException>(() => Pkcs11Module.Load("/bin/sh")).Fault);
    }

    [Fact]
    public void A_refused_pin_is_not_tried_twice()
    {
        var pin = "000000";
        using var pool = Pool(pin: () => pin);
        Assert.Equal(TokenFault.PinWrong, Assert.Throws<TokenException>(() => pool.Run(s => s.Random(1))).Fault);
        Thread.Sleep(20);
        Assert.Contains("not tried again", Assert.Throws<TokenException>(() => pool.Run(s => s.Random(1))).Message, StringComparison.Ordinal);
        pin = _token.Pin;
        Thread.Sleep(50);
        Assert.Single(pool.Run(s => s.Random(1)));
        Assert.True(pool.State.IsAvailable);
    }

    [Fact]
    public void A_pin_file_that_others_may_read_is_refused()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("Windows has no Unix modes.");
            return;
        }
        using var directory = new TempDirectory();
        var file = _token.WritePin(directory["pin"]);
        Assert.Equal(_token.Pin, PinFile.Read(file));
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.OtherRead);
        Assert.Contains("0600", Assert.Throws<TokenException>(() => PinFile.Read(file)).Message, StringComparison.Ordinal);
        Assert.Equal(TokenFault.PinNeeded, Assert.Throws<TokenException>(() => PinFile.Read(directory["none"])).Fault);
    }

    [Fact]
    public async Task Many_callers_share_few_sessions()
    {
        using var pool = Pool(sessions: 3);
        int now = 0, most = 0;
        await Task.WhenAll(Enumerable.Range(0, 60).Select(_ => Task.Run(async () => await pool.RunAsync(
            s =>
            {
                var inside = Interlocked.Increment(ref now);
                InterlockedMax(ref most, inside);
                var random = s.Random(8);
                Thread.Sleep(1);
                Interlocked.Decrement(ref now);
                return random;
            },
            Cancel))));
        Assert.InRange(most, 2, 3);
    }

    [Fact]
    public async Task A_token_that_goes_and_comes_back_is_used_again()
    {
        var states = new List<TokenState>();
        using var pool = Pool();
        pool.StateChanged += states.Add;
        var key = pool.Run(s => s.GenerateAes(new KeyTemplate(KeyUses.Decrypt) { Label = "k", OnToken = true }));
        Assert.Equal(32, Decrypt(pool).Length);

        _token.Remove();
        Assert.Throws<TokenException>(() => Decrypt(pool));
        Assert.False((await pool.ProbeAsync(Cancel)).IsAvailable);
        // Between looks, calls fail at once and say why.
        Assert.Contains(_token.Label, Assert.Throws<TokenException>(() => Decrypt(pool)).Message, StringComparison.Ordinal);

        _token.Return();
        await UntilAsync(() => Decrypt(pool).Length == 32);
        Assert.True(pool.State.IsAvailable);
        Assert.Equal([false, true], states.Select(s => s.IsAvailable));
    }

    [Fact]
    public async Task A_stranger_who_logs_out_or_closes_all_sessions_does_no_harm()
    {
        using var pool = Pool();
        pool.Run(s => s.GenerateAes(new KeyTemplate(KeyUses.Decrypt) { Label = "k", OnToken = true }));
        using (var stranger = TokenConnection.Open(Pkcs11Module.Load(SoftHsm.Module), new TokenSelector(_token.Label)))
        {
            stranger.Run(s =>
            {
                s.Logout();
                return true;
            });
            Assert.Equal(32, Decrypt(pool).Length);
        }
        var module = Pkcs11Module.Load(SoftHsm.Module);
        var slot = module.Find(new TokenSelector(_token.Label)).Id;
        module.Call(library =>
        {
            Pkcs11Module.Slot(library, slot).CloseAllSessions();
            return true;
        });
        Assert.Equal(32, Decrypt(pool).Length);
        module.Reinitialize(module.Generation);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => Assert.Equal(32, Decrypt(pool).Length), Cancel)));
    }

    [Fact]
    public void A_call_that_the_token_refuses_leaves_the_pool_as_it_was()
    {
        using var pool = Pool();
        var key = pool.Run(s => s.GenerateAes(new KeyTemplate(KeyUses.Sign) { Label = "k", OnToken = true }));
        for (var i = 0; i < 20; i++)
            Assert.Equal(TokenFault.NotPermitted, Assert.Throws<TokenException>(() => Decrypt(pool)).Fault);
        // What a module answers with its general error is no proof that the token went.
        var generation = Pkcs11Module.Load(SoftHsm.Module).Generation;
        pool.Run(s => s.GenerateAes(new KeyTemplate(KeyUses.Unwrap) { Label = "w", OnToken = true }));
        for (var i = 0; i < 20; i++)
        {
            Assert.Equal(TokenFault.Failed, Assert.Throws<TokenException>(() => pool.Run(s => s.UnwrapAes(
                s.Find(TokenObjectKind.SecretKey, "w"), new byte[40], WrapMethod.AesKeyWrap, new KeyTemplate(KeyUses.Decrypt)))).Fault);
        }
        Assert.True(pool.State.IsAvailable);
        Assert.InRange(Pkcs11Module.Load(SoftHsm.Module).Generation, generation, generation + 2);
    }

    [Fact]
    public void A_closed_pool_says_so()
    {
        var pool = Pool();
        pool.Run(s => s.Random(1));
        pool.Dispose();
        Assert.Throws<ObjectDisposedException>(() => pool.Run(s => s.Random(1)));
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static byte[] Decrypt(TokenPool pool) => pool.Run(s => s.DecryptCbc(s.Find(TokenObjectKind.SecretKey, "k"), new byte[32]));

    private static void InterlockedMax(ref int most, int value)
    {
        for (var seen = most; value > seen; seen = most)
            Interlocked.CompareExchange(ref most, value, seen);
    }

    private static async Task UntilAsync(Func<bool> holds)
    {
        for (var i = 0; ; i++)
        {
            try
            {
                if (holds())
                    return;
            }
            catch (TokenException) when (i < 200)
            {
                // Not yet.
            }
            await Task.Delay(20, Cancel);
        }
    }

    private TokenPool Pool(TokenSelector? selector = null, Func<string>? pin = null, int sessions = 8) => new(
        new TokenPoolOptions(SoftHsm.Module, selector ?? new TokenSelector(_token.Label), pin ?? (() => _token.Pin), sessions)
        {
            FirstPause = TimeSpan.FromMilliseconds(10),
            LongestPause = TimeSpan.FromSeconds(5),
        },
        TimeProvider.System);
}
