using GatewaySecure.Gateway.Configuration;
using GatewaySecure.Gateway.Hosting;
using GatewaySecure.Gateway.Reports;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.HsmAdapter;
using GatewaySecure.Storage;

namespace GatewaySecure.Gateway.Control;

/// <summary>
/// Where a queue command is carried out: by the gateway that runs on a state directory, or here, on the spool itself, where none runs. Then
/// this process owns the directory meanwhile, so that no gateway starts beside it.
/// </summary>
internal sealed class QueueSession : IAsyncDisposable
{
    private readonly List<object> _owned = [];
    private ControlClient? _client;
    private QueueControl? _control;

    private QueueSession()
    {
    }

    /// <summary>By the running gateway, under its own configuration.</summary>
    public bool IsRunning => _client is not null;

    /// <param name="stateDirectory">Of a gateway.</param>
    /// <param name="configuration">Asked for only where no gateway runs; null: the command must do without.</param>
    /// <param name="changes">It is not only looked at.</param>
    /// <param name="unreadable">Is told the file and the reason.</param>
    /// <exception cref="ControlException">It can't be opened; the message says what to do.</exception>
    /// <exception cref="IOException">The disk does not answer.</exception>
    public static async Task<QueueSession> OpenAsync(
        string stateDirectory, Func<GatewayConfiguration?> configuration, bool changes, Action<string, string> unreadable, CancellationToken cancellationToken)
    {
        if (!File.Exists(Path.Combine(stateDirectory, StateDirectory.DatabaseName)))
            throw new ControlException($"{stateDirectory} is not a gateway's state directory. Give it with --state.");
        var state = StateDirectory.Open(stateDirectory);
        var session = new QueueSession();
        try
        {
            session._client = await ControlClient.TryConnectAsync(state.ControlSocket, cancellationToken);
            if (session._client is null)
                session._control = new QueueControl(await session.OpenStoppedAsync(state, configuration(), changes, unreadable, cancellationToken));
            return session;
        }
        catch
        {
            await session.DisposeAsync();
            throw;
        }
    }

    /// <exception cref="ControlException">It can't be carried out as it was given.</exception>
    public IAsyncEnumerable<ControlReply> RunAsync(ControlRequest request, CancellationToken cancellationToken) =>
        _client?.AskAsync(request, cancellationToken) ?? _control!.RunAsync(request, SystemUsers.Current(), cancellationToken);

    public async ValueTask DisposeAsync()
    {
        _client?.Dispose();
        foreach (var owned in Enumerable.Reverse(_owned))
        {
            if (owned is IAsyncDisposable later)
                await later.DisposeAsync();
            else
                ((IDisposable)owned).Dispose();
        }
    }

    private async Task<QueueParts> OpenStoppedAsync(
        StateDirectory state, GatewayConfiguration? configuration, bool changes, Action<string, string> unreadable, CancellationToken cancellationToken)
    {
        var time = TimeProvider.System;
        if (changes)
        {
            RequireOwner(state);
            try
            {
                _owned.Add(state.Lock());
            }
            catch (IOException)
            {
                throw new ControlException($"A gateway has {state.Root} and does not answer on {state.ControlSocket}: it is just starting or stopping, or its log says why. Try again, or stop it first.");
            }
        }
        var vault = KeyVaults.Open(null, state.Root, TimeProvider.System);
        _owned.Add(vault);
        var key = new VaultSpoolKey(vault.Spool);
        var database = await GatewayDatabase.OpenAsync(state.Database, cancellationToken);
        _owned.Add(database);
        var spool = changes ? MailSpool.Open(state.Spool, key, configuration?.Spool ?? new SpoolOptions(), time) : null;
        return new QueueParts
        {
            Items = spool is null ? new ViewedQueue(state.Spool, key, unreadable) : new StoppedQueue(spool, unreadable),
            Audit = database.Audit,
            // Nobody delivers it now; the next start does.
            Reporter = configuration is null || spool is null
                ? null
                : new ReportWriter(spool, _ => { }, configuration.HostName, new QueueTimes(configuration.Queue.ExpireAfter), time),
            Rules = configuration is null ? null : new QueueRules(configuration.ReceivingSettings()),
            Requests = new LoweringRequests(state.Requests, time),
            NextHopOf = address => configuration?.NextHopOf(address),
            Time = time,
        };
    }

    /// <summary>Files that another user makes here could not be read by the gateway's own.</summary>
    private static void RequireOwner(StateDirectory state)
    {
        if (SystemUsers.OwnerOf(state.Root) is { } owner && SystemUsers.Current() is { UserId: { } user } && user != owner.Id)
            throw new ControlException($"{state.Root} belongs to {owner.Name}, and no gateway runs on it. Do this as that user: sudo -u {owner.Name} gateway queue …");
    }
}
