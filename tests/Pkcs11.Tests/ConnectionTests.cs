using System.Security.Cryptography;
using GatewaySecure.TestKit;

namespace GatewaySecure.Pkcs11.Tests;

/// <summary>A token as somebody's card, and as the security officer meets it.</summary>
public sealed class ConnectionTests : IAsyncLifetime
{
    private SoftToken _token = null!;
    private Pkcs11Module _module = null!;

    public async ValueTask InitializeAsync()
    {
        _token = await SoftHsm.Instance.CreateTokenAsync();
        _module = Pkcs11Module.Load(SoftHsm.Module);
        // SoftHSM looks for tokens when it starts.
        _module.Reinitialize(_module.Generation);
    }

    [Fact]
    public void A_wrong_pin_is_a_value_and_costs_a_try()
    {
        using var connection = Open();
        Assert.Equal(PinTries.All, connection.Describe().UserPin);
        Assert.Equal(PinAnswer.Wrong, connection.Login(TokenRole.User, "999999"));
        Assert.Equal(PinTries.Fewer, connection.Describe().UserPin);
        Assert.Equal(PinAnswer.Accepted, connection.Login(TokenRole.User, _token.Pin));
        Assert.Equal(PinTries.All, connection.Describe().UserPin);
    }

    [Fact]
    public void The_user_changes_his_pin_and_the_officer_resets_it()
    {
        using (var connection = Open())
        {
            Assert.Equal(PinAnswer.Accepted, connection.Login(TokenRole.User, _token.Pin));
            Assert.Equal(PinAnswer.Wrong, connection.ChangePin("000000", "765432"));
            Assert.Equal(PinAnswer.Accepted, connection.ChangePin(_token.Pin, "765432"));
            Assert.Equal(PinAnswer.Wrong, connection.Login(TokenRole.User, _token.Pin));
            Assert.Equal(PinAnswer.Accepted, connection.Login(TokenRole.User, "765432"));
            Assert.Equal(PinAnswer.Accepted, connection.Login(TokenRole.SecurityOfficer, _token.OfficerPin));
            connection.Run(s =>
            {
                s.ResetUserPin("111222");
                return true;
            });
            Assert.Equal(PinAnswer.Accepted, connection.Login(TokenRole.User, "111222"));
        }
    }

    [Fact]
    public void Nobody_stays_logged_in()
    {
        using var other = Open();
        using (var connection = Open())
        {
            Assert.Equal(PinAnswer.Accepted, connection.Login(TokenRole.User, _token.Pin));
            connection.Run(s => s.GenerateAes(new KeyTemplate(KeyUses.Decrypt) { Label = "private", OnToken = true }));
            Assert.Single(other.Run(s => s.FindAll(TokenObjectKind.SecretKey)));
        }
        Assert.Empty(other.Run(s => s.FindAll(TokenObjectKind.SecretKey)));
    }

    [Fact]
    public void Only_the_officer_makes_a_trusted_key_and_he_sees_nothing_private()
    {
        using var connection = Open();
        using var rsa = RSA.Create(2048);
        connection.Login(TokenRole.User, _token.Pin);
        connection.Run(s => s.GenerateAes(new KeyTemplate(KeyUses.Wrap) { Label = "hidden", OnToken = true }));
        var trusted = new KeyTemplate(KeyUses.Wrap) { Label = "station", OnToken = true, Trusted = true };
        Assert.Equal(TokenFault.NotPermitted, Assert.Throws<TokenException>(() => connection.Run(s => s.GenerateAes(trusted))).Fault);
        Assert.Equal(
            TokenFault.NotPermitted, Assert.Throws<TokenException>(() => connection.Run(s => s.ImportRsaPublicKey(rsa.ExportParameters(false), trusted))).Fault);
        connection.Login(TokenRole.SecurityOfficer, _token.OfficerPin);
        Assert.Empty(connection.Run(s => s.FindAll(TokenObjectKind.SecretKey)));
        connection.Run(s => s.ImportRsaPublicKey(rsa.ExportParameters(false), trusted));
        connection.Login(TokenRole.User, _token.Pin);
        Assert.True(connection.Run(s => s.Describe(s.Find(TokenObjectKind.PublicKey, "station"))).Trusted);
    }

    [Fact]
    public async Task An_empty_token_is_made_ready_and_coming_and_going_is_noticed()
    {
        var label = "w" + Guid.NewGuid().ToString("N")[..8];
        using var over = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        over.CancelAfter(TimeSpan.FromSeconds(30));
        await using var changes = _module.WatchAsync(TimeSpan.FromMilliseconds(30), TimeProvider.System, over.Token).GetAsyncEnumerator(over.Token);
        var made = Task.Run(
            () =>
            {
                TokenConnection.Initialize(_module, _module.Slots().First(s => s.Token is { IsInitialized: false }).Id, label, "87654321");
                using var officer = TokenConnection.Open(_module, new TokenSelector(label));
                Assert.False(officer.Describe().HasUserPin);
                officer.Login(TokenRole.SecurityOfficer, "87654321");
                officer.Run(s =>
                {
                    s.ResetUserPin("123456");
                    return true;
                });
                Assert.Equal(PinAnswer.Accepted, officer.Login(TokenRole.User, "123456"));
            },
            over.Token);
        await NextAsync(changes, c => c.Inserted && c.Slot.Token!.Label == label);
        await made;

        _token.Remove();
        _module.Reinitialize(_module.Generation);
        await NextAsync(changes, c => !c.Inserted && c.Slot.Token!.Label == _token.Label);
        _token.Return();
    }

    [Fact]
    public void A_connection_to_a_token_that_went_says_so()
    {
        using var connection = Open();
        _module.Reinitialize(_module.Generation);
        Assert.Equal(TokenFault.Stale, Assert.Throws<TokenException>(() => connection.Run(s => s.Random(1))).Fault);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static async Task NextAsync(IAsyncEnumerator<TokenChange> changes, Func<TokenChange, bool> wanted)
    {
        while (await changes.MoveNextAsync())
        {
            if (wanted(changes.Current))
                return;
        }
        Assert.Fail("The watch ended.");
    }

    private TokenConnection Open() => TokenConnection.Open(_module, new TokenSelector(_token.Label));
}
