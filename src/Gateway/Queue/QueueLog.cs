using GatewaySecure.Gateway.Spool;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.Gateway.Queue;

/// <summary>What the queue tells its log: ids, rules, replies; never a subject or a body.</summary>
internal static partial class QueueLog
{
    [LoggerMessage(LogLevel.Information, "{Id} to {Recipients}: delivered to {NextHop} as {Method}. {Summary}")]
    public static partial void Delivered(this ILogger log, QueueId id, string recipients, string nextHop, string method, string summary);

    [LoggerMessage(LogLevel.Warning, "{Id} to {Recipient}: tried again later. {Reason}")]
    public static partial void Deferred(this ILogger log, QueueId id, string recipient, string reason);

    [LoggerMessage(LogLevel.Warning, "{Id} to {Recipient}: held. {Reason}")]
    public static partial void Held(this ILogger log, QueueId id, string recipient, string reason);

    [LoggerMessage(LogLevel.Warning, "{Id} to {Recipient}: given up. {Reason}")]
    public static partial void Failed(this ILogger log, QueueId id, string recipient, string reason);

    [LoggerMessage(LogLevel.Critical, "{Id} made the gateway fail and is held; this is a fault of ours, please report it")]
    public static partial void ItemIsPoison(this ILogger log, QueueId id, Exception exception);

    [LoggerMessage(LogLevel.Error, "{Id}: the spool could not be written; it stays in the queue")]
    public static partial void SpoolFailed(this ILogger log, QueueId id, Exception exception);
}
