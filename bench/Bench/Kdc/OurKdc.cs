using System.Collections.Immutable;
using System.Diagnostics;
using System.Security.Cryptography;
using GatewaySecure.Addresses;
using GatewaySecure.KdcCore;
using GatewaySecure.Storage;

namespace GatewaySecure.Bench.Kdc;

/// <summary>
/// Our KDC with its database on disk and its durable audit, asked by gateways in the same process: both sides of the exchange are measured,
/// challenge, MAC, tickets, the reply's seal and the client's checks of it.
/// </summary>
internal sealed class OurKdc : IAsyncDisposable
{
    private const int Users = 256;
    private const int Gateways = 32;

    private static readonly Realm Realm = Realm.Parse("example.org");

    private readonly GatewayDatabase _database;
    private readonly KdcClient[] _clients;

    private OurKdc(GatewayDatabase database, KdcClient[] clients) => (_database, _clients) = (database, clients);

    public static async Task<OurKdc> CreateAsync(string database, IMasterKeyVault vault)
    {
        var opened = await GatewayDatabase.OpenAsync(database);
        var ports = opened.PortsWith(vault);
        var administration = new KdcAdministration(Realm, ports, TimeProvider.System, "bench");
        for (var i = 0; i < Users; i++)
        {
            var user = await administration.CreateAsync(PrincipalKind.User, $"User {i}", [Address(i)], [], null, default);
            await administration.RenewKeyAsync(user.Id, default);
        }
        // The limit protects a KDC from one requester; here it is to be reached.
        var kdc = new KdcService(KdcOptions.For(Realm) with { RequestsPerSecond = 1e6, Burst = 1_000_000 }, ports, TimeProvider.System);
        var clients = new KdcClient[Gateways];
        for (var i = 0; i < Gateways; i++)
        {
            var gateway = await administration.EnsureGatewayAsync($"gateway{i}", [DomainName.Parse("example.org")], default);
            clients[i] = new KdcClient(Realm, gateway.Id, await administration.UseKeyAsync(gateway.Id, default), kdc, kdc, TimeProvider.System);
        }
        return new OurKdc(opened, clients);
    }

    /// <returns>Tickets per second.</returns>
    public async Task<double> RunAsync(TimeSpan time, int recipients, int concurrency)
    {
        var watch = Stopwatch.StartNew();
        var counts = await Task.WhenAll(Enumerable.Range(0, concurrency).Select(worker => Task.Run(async () =>
        {
            var client = _clients[worker % _clients.Length];
            var granted = 0;
            while (watch.Elapsed < time)
            {
                var order = new TicketOrder(
                    Address(0),
                    [.. Enumerable.Range(1 + worker, recipients).Select(i => Address(1 + i % (Users - 1)))],
                    RandomNumberGenerator.GetBytes(32),
                    Evidence.Auth);
                granted += await client.RequestAsync(order, default) switch
                {
                    TicketOutcome.Granted grant => grant.Grant.Tickets.Length,
                    TicketOutcome.Refused refused => throw new InvalidOperationException($"The KDC refused: {refused.Reason}"),
                    TicketOutcome.Unavailable later => throw new InvalidOperationException($"The KDC gave no ticket: {later.Reason}"),
                    var other => throw new InvalidOperationException($"{other.GetType()} is no outcome."),
                };
            }
            return granted;
        })));
        return counts.Sum() / watch.Elapsed.TotalSeconds;
    }

    public async ValueTask DisposeAsync() => await _database.DisposeAsync();

    private static MailAddress Address(int user) => MailAddress.Parse($"user{user}@example.org");
}
