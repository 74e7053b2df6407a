using GatewaySecure.Addresses;
using GatewaySecure.KdcCore;
using GatewaySecure.KdcServer.Configuration;
using GatewaySecure.KdcServer.Hosting;
using GatewaySecure.KdcTransport.Operator;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.KdcServer.Operators;

/// <summary>Everything that operators do at their stations, and what has to be done about cards by the clock.</summary>
internal sealed class OperatorDesk : IAsyncDisposable
{
    private static readonly TimeSpan ExpiryEvery = TimeSpan.FromMinutes(1);

    private readonly CardWork _work;
    private readonly KdcServerConfiguration _configuration;
    private readonly KdcKeys _keys;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _stop = new();
    private Task _expiry = Task.CompletedTask;

    /// <param name="serverCertificate">SHA-256 of the server's TLS certificate, hexadecimal.</param>
    public OperatorDesk(KdcKeys keys, CardAuthority authority, KdcServerConfiguration configuration, string serverCertificate, TimeProvider time, ILogger log)
    {
        (_keys, _configuration, _time, _log) = (keys, configuration, time, log);
        _work = new CardWork(keys, authority, configuration, time);
        Sessions = new OperatorSessions(configuration.Realm, keys.Ports, keys.Database.Certificates, configuration.Operators, serverCertificate, time, log);
        Issue = new CardIssue(_work);
        Standings = new CardStandings(_work);
        Recoveries = new Recoveries(_work);
    }

    public OperatorSessions Sessions { get; }

    public CardIssue Issue { get; }

    public CardStandings Standings { get; }

    public Recoveries Recoveries { get; }

    public void Start()
    {
        Sessions.Start();
        _expiry = ExpireAsync();
    }

    public async Task<CardView> ShowAsync(string id, CancellationToken cancellationToken) =>
        await _work.ShowAsync(await _work.GetAsync(id, cancellationToken), cancellationToken);

    public async Task<CardView[]> CardsAsync(string? kind, string? serial, string? holder, CancellationToken cancellationToken)
    {
        var found = (kind, serial, holder) switch
        {
            (_, _, { } address) => MailAddress.TryParse(address, out var parsed) && await _work.Ports.Principals.FindByAddressAsync(parsed, _work.Now, cancellationToken) is { } principal
                ? await _work.Cards.OfHolderAsync(principal.Id, cancellationToken)
                : [],
            ({ } model, { } number, _) when Enum.GetNames<CardModel>().Contains(model) => await _work.Cards.OfCardAsync(Enum.Parse<CardModel>(model), number, cancellationToken),
            _ => throw new AdministrationException("Ask by 'holder', or by 'kind' and 'serial'."),
        };
        var views = new List<CardView>();
        foreach (var card in found)
            views.Add(await _work.ShowAsync(card, cancellationToken));
        return [.. views];
    }

    public async Task<UserView[]> UsersAsync(string address, CancellationToken cancellationToken) =>
        MailAddress.TryParse(address, out var parsed) && await _work.Ports.Principals.FindByAddressAsync(parsed, _work.Now, cancellationToken) is { Kind: PrincipalKind.User } user
            ? [Show(user)]
            : [];

    public async Task<UserView> AddUserAsync(OperatorSession by, NewUser user, CancellationToken cancellationToken)
    {
        if (!MailAddress.TryParse(user.Address, out var address))
            throw new AdministrationException($"'{user.Address}' is not a mail address.");
        if (string.IsNullOrWhiteSpace(user.Name) || user.Name.Length > 200 || user.Name.Any(char.IsControl))
            throw new AdministrationException("A user needs a name, of at most 200 characters in one line.");
        var administration = _keys.Administration(_configuration, by.Actor, _time);
        return Show(await administration.CreateAsync(PrincipalKind.User, user.Name, [address], [], null, cancellationToken));
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _expiry;
        await Sessions.DisposeAsync();
        _stop.Dispose();
    }

    private async Task ExpireAsync()
    {
        using var timer = new PeriodicTimer(ExpiryEvery, _time);
        try
        {
            do
            {
                try
                {
                    await Standings.ExpireAsync(_stop.Token);
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    // Vault or disk away; the next time does it.
                    _log.CardsNotSettled(e);
                }
            }
            while (await timer.WaitForNextTickAsync(_stop.Token));
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The server stops.
        }
    }

    private UserView Show(Principal user) => new(
        user.Id.ToString(), user.Name, [.. user.Addresses.Where(a => a.IsHeldAt(_work.Now)).Select(a => a.Address.ToString())], user.Objection(_work.Now), user.Kvno);
}
