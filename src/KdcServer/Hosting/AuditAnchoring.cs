using System.Security.Cryptography;
using GatewaySecure.KdcCore;
using GatewaySecure.KdcServer.Configuration;
using GatewaySecure.Storage;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.KdcServer.Hosting;

/// <summary>
/// Signs the audit chain's head with the vault's audit key, at intervals and at the end, and appends it to the file of anchors. What can't be
/// written is said, and tried again at the next time: tickets don't wait for it, since each line of the chain is durable by itself.
/// </summary>
internal sealed class AuditAnchoring(KdcKeys keys, KdcServerConfiguration configuration, KdcState state, TimeProvider time, ILogger? log = null) : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private Task _runs = Task.CompletedTask;
    private long _anchored = -1;

    private string File => configuration.Audit.AnchorFile ?? state.AuditAnchors;

    public void Start() => _runs = RunAsync();

    /// <returns>Null where nothing was added since the last anchor of this object.</returns>
    /// <exception cref="IOException">The file can't be written.</exception>
    public async Task<AuditAnchor?> AnchorAsync(CancellationToken cancellationToken)
    {
        var head = await keys.Database.Audit.HeadAsync(cancellationToken);
        if (head.Sequence == _anchored || head == AuditHead.Empty)
            return null;
        using var key = keys.OpenAuditKey();
        var anchor = AuditAnchor.Sign(configuration.Realm, head.Sequence, head.Hash, time.GetUtcNow(), key);
        await using (var file = new FileStream(File, FileMode.Append, FileAccess.Write, FileShare.Read))
        {
            await file.WriteAsync(System.Text.Encoding.UTF8.GetBytes(anchor.ToLine() + "\n"), cancellationToken);
            file.Flush(flushToDisk: true);
        }
        _anchored = head.Sequence;
        return anchor;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _runs;
        await TryAsync();
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        using var timer = new PeriodicTimer(configuration.Audit.AnchorEvery, time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token))
                await TryAsync();
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The server stops, which makes the last anchor itself.
        }
    }

    private async Task TryAsync()
    {
        try
        {
            if (await AnchorAsync(CancellationToken.None) is { } anchor)
                log?.Anchored(anchor.Sequence, anchor.Hash);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException or InvalidOperationException)
        {
            log?.NotAnchored(e);
        }
    }
}
