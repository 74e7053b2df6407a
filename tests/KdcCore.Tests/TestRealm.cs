using GatewaySecure.Addresses;
using GatewaySecure.HsmAdapter;
using GatewaySecure.TestKit;
using Microsoft.Extensions.Time.Testing;

namespace GatewaySecure.KdcCore.Tests;

/// <summary>A realm example.org with alice, bob and carol, each with a card, and a gateway for example.org.</summary>
internal sealed class TestRealm : IDisposable
{
    private readonly TempDirectory _directory = new();

    private TestRealm()
    {
        Vault = SoftwareVault.OpenOrCreate(_directory.Path);
        Ports = new KdcPorts(Stores, Stores, Stores, Stores, Vault);
        Administration = new KdcAdministration(Realm, Ports, Time, "test");
        Kdc = new KdcService(KdcOptions.For(Realm), Ports, Time);
    }

    public static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public Realm Realm { get; } = Realm.Parse("example.org");

    public FakeTimeProvider Time { get; } = new(new DateTimeOffset(2027, 3, 4, 5, 6, 7, 890, TimeSpan.Zero));

    public MemoryStores Stores { get; } = new();

    public SoftwareVault Vault { get; }

    public KdcPorts Ports { get; }

    public KdcAdministration Administration { get; }

    public KdcService Kdc { get; set; }

    public Dictionary<string, TestCard> Cards { get; } = [];

    public PrincipalId Gateway { get; private set; }

    public static async Task<TestRealm> CreateAsync()
    {
        var realm = new TestRealm();
        foreach (var name in new[] { "alice", "bob", "carol" })
            await realm.AddUserAsync(name);
        realm.Gateway = (await realm.Administration.EnsureGatewayAsync("gateway", [DomainName.Parse("example.org")], Cancel)).Id;
        return realm;
    }

    public static MailAddress At(string name) => MailAddress.Parse($"{name}@example.org");

    public static byte[] Commitment(byte fill = 7) => [.. Enumerable.Repeat(fill, 32)];

    public static TicketOrder Order(string from, Evidence evidence, params string[] to) =>
        new(At(from), [.. to.Select(At)], Commitment(), evidence);

    public async Task<PrincipalId> AddUserAsync(string name)
    {
        var user = await Administration.CreateAsync(PrincipalKind.User, name, [At(name)], [], null, Cancel);
        await IssueCardAsync(name);
        return user.Id;
    }

    public async Task<TestCard> IssueCardAsync(string name)
    {
        var card = new TestCard();
        await Administration.IssueCardAsync(Id(name), $"{name}'s card", false, card.Write, Cancel);
        return Cards[name] = card;
    }

    public PrincipalId Id(string name) => Stores.Principals.Values.Single(p => p.Name == name).Id;

    public async Task<KdcClient> GatewayClientAsync(IKdc? kdc = null) =>
        new(Realm, Gateway, await Administration.UseKeyAsync(Gateway, Cancel), kdc ?? Kdc, Kdc, Time);

    public KdcClient CardClient(string name, IKdc? kdc = null) => new(Realm, Id(name), Cards[name], kdc ?? Kdc, Kdc, Time);

    public async Task<TicketGrant> GrantAsync(params string[] to)
    {
        var outcome = await (await GatewayClientAsync()).RequestAsync(Order("alice", Evidence.Auth, to), Cancel);
        return Assert.IsType<TicketOutcome.Granted>(outcome).Grant;
    }

    public void Dispose()
    {
        Vault.Dispose();
        _directory.Dispose();
    }
}

/// <summary>Between client and KDC: may change what passes.</summary>
internal sealed class Wire(IKdc inner, Func<byte[], byte[]>? request = null, Func<byte[], byte[]>? answer = null) : IKdc
{
    public List<byte[]> Requests { get; } = [];

    public ValueTask<byte[]> ChallengeAsync(ReadOnlyMemory<byte> octets, CancellationToken cancellationToken) =>
        inner.ChallengeAsync(octets, cancellationToken);

    public async ValueTask<byte[]> RequestTicketsAsync(ReadOnlyMemory<byte> octets, CancellationToken cancellationToken)
    {
        Requests.Add(octets.ToArray());
        var result = await inner.RequestTicketsAsync(request?.Invoke(octets.ToArray()) ?? octets, cancellationToken);
        return answer?.Invoke(result) ?? result;
    }

    public async ValueTask<byte[]> ExchangeAsync(ReadOnlyMemory<byte> octets, CancellationToken cancellationToken)
    {
        var result = await inner.ExchangeAsync(request?.Invoke(octets.ToArray()) ?? octets, cancellationToken);
        return answer?.Invoke(result) ?? result;
    }
}
