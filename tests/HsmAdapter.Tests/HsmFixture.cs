using System.Security.Cryptography;
using GatewaySecure.KdcCore;
using GatewaySecure.Pkcs11;
using GatewaySecure.TestKit;

namespace GatewaySecure.HsmAdapter.Tests;

/// <summary>A SoftHSM token with a vault key, its shares, a state directory, and the vault on them.</summary>
internal sealed class HsmFixture : IDisposable
{
    public static readonly ShareOfficer[] Officers =
        [new("Anna", "anna's passphrase"), new("Boris", "boris's passphrase"), new("Clara", "clara's passphrase")];

    private readonly TempDirectory _directory = new();
    private HsmVault? _vault;

    private HsmFixture(SoftToken token) => Token = token;

    public SoftToken Token { get; }

    public string State => _directory["state"];

    public string Files => Path.Combine(State, "vault");

    public string this[string name] => _directory[name];

    public CeremonyResult Made { get; private set; } = null!;

    public HsmVault Vault => _vault ??= Open();

    public static async Task<HsmFixture> CreateAsync(SoftToken? token = null, bool withKey = true)
    {
        var fixture = new HsmFixture(token ?? await SoftHsm.Instance.CreateTokenAsync());
        Directory.CreateDirectory(fixture.State);
        // SoftHSM looks for tokens when it starts.
        Refresh();
        if (withKey)
            fixture.Made = fixture.Ceremony().MakeVaultKey(Officers, 2, _ => { });
        return fixture;
    }

    public static void Refresh() => Pkcs11Module.Load(SoftHsm.Module).ForgetTokens();

    public Ceremony Ceremony(SoftToken? token = null, string? state = null) => new(
        new HsmCeremonyOptions(SoftHsm.Module, new TokenSelector((token ?? Token).Label), (token ?? Token).OfficerPin, (token ?? Token).Pin)
        {
            PassphraseIterations = 1000,
        },
        state ?? State, TimeProvider.System);

    public HsmOptions Options(SoftToken? token = null)
    {
        var chosen = token ?? Token;
        return new HsmOptions(SoftHsm.Module, new TokenSelector(chosen.Label), chosen.WritePin(_directory["pin-" + chosen.Label]));
    }

    public HsmVault Open(SoftToken? token = null, string? state = null) => HsmVault.Open(Options(token), state ?? State, TimeProvider.System);

    /// <summary>One more, whose sessions keep so many master keys unwrapped.</summary>
    public HsmVault OpenKeeping(int keys) => HsmVault.Open(Options() with { KeptKeys = keys }, State, TimeProvider.System);

    /// <summary>The vault is opened anew when next asked for.</summary>
    public void Close()
    {
        _vault?.Dispose();
        _vault = null;
    }

    public static MasterKeyName NewName(int kvno = 1) => new(PrincipalId.New(), kvno);

    public static RSA Receiver() => RSA.Create(3072);

    public void Dispose()
    {
        Close();
        _directory.Dispose();
    }
}
