using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Reports;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.KdcCore;

namespace GatewaySecure.Gateway.Control;

/// <summary>What commands for the queue work with: of the running gateway, or opened beside a stopped one.</summary>
internal sealed record QueueParts
{
    public required IQueueItems Items { get; init; }

    public required IAuditChain Audit { get; init; }

    /// <summary>Null without a configuration, and where nothing may be changed.</summary>
    public required IReporter? Reporter { get; init; }

    /// <summary>Null without a configuration.</summary>
    public required QueueRules? Rules { get; init; }

    public required LoweringRequests Requests { get; init; }

    /// <summary>The next hop's name; null where it is not known.</summary>
    public required Func<MailAddress, string?> NextHopOf { get; init; }

    public required TimeProvider Time { get; init; }

    /// <exception cref="ControlException">There is no configuration.</exception>
    public QueueRules NeedRules() => Rules ?? throw new ControlException("This needs a configuration. No gateway runs here, so name its file with --config.");

    /// <summary>Durable when it returns: the intent is recorded before anything is done.</summary>
    /// <exception cref="IOException">It can't be written; nothing may be done.</exception>
    public ValueTask AuditAsync(Operator by, string action, string subject, string detail) =>
        Audit.AppendAsync(new AuditEntry(new AuditEvent(Time.GetUtcNow(), $"queue.{action}", by.Description, subject, detail)), CancellationToken.None);

    /// <summary>Stands in the audit, then is done, then is durable.</summary>
    /// <exception cref="IOException">It could not be written.</exception>
    public async Task CarryOutAsync(Operator by, string action, SpooledMail item, string detail, Func<ValueTask> change)
    {
        await AuditAsync(by, action, item.Id.ToString(), detail);
        try
        {
            await change();
        }
        catch (IOException e)
        {
            // The audit must not say that it was done. Where not even this can be written, the one who asked is told all the same.
            await TryAsync(() => AuditAsync(by, $"{action}.failed", item.Id.ToString(), e.Message).AsTask());
            throw;
        }
        if (item.Status.All(s => s.IsFinal))
            item.Remove();
    }

    /// <summary>Null where it was done; else what failed, in one sentence.</summary>
    public static async Task<string?> TryAsync(Func<Task> work)
    {
        try
        {
            await work();
            return null;
        }
        catch (Exception e) when (e is IOException or InvalidDataException)
        {
            return e.Message;
        }
    }
}
