using GatewaySecure.Gateway.Spool;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.Gateway.Receiving;

/// <summary>What receiving tells its log; never a password, a subject or a body.</summary>
internal static partial class ReceivingLog
{
    [LoggerMessage(LogLevel.Information, "{Id} accepted from {Peer}: {Sender} to {Recipients}, {Size} octets")]
    public static partial void Accepted(this ILogger log, QueueId id, string peer, string sender, string recipients, long size);

    [LoggerMessage(LogLevel.Information, "{Id}: header fields that {Peer} may not bring were removed: {Names}")]
    public static partial void FieldsRemoved(this ILogger log, QueueId id, string peer, string names);

    [LoggerMessage(LogLevel.Information, "{Id} from {Peer} refused by {Reason}")]
    public static partial void RefusedByRule(this ILogger log, QueueId id, string peer, string reason);

    [LoggerMessage(LogLevel.Error, "{Id} could not be spooled and was answered with 452")]
    public static partial void SpoolUnavailable(this ILogger log, QueueId id, Exception exception);

    [LoggerMessage(LogLevel.Error, "The spool takes nothing: new mail is answered with 452")]
    public static partial void SpoolRefuses(this ILogger log, Exception exception);

    [LoggerMessage(LogLevel.Warning, "Wrong user name or password from {Peer}")]
    public static partial void WrongPassword(this ILogger log, string peer);

    [LoggerMessage(LogLevel.Warning, "The session with {Peer} met a fault")]
    public static partial void SessionFault(this ILogger log, string peer, Exception exception);

    [LoggerMessage(LogLevel.Information, "{Id} from {Peer} goes round in circles and was refused: {Hops} hops, {Passes} of them here")]
    public static partial void GoesRound(this ILogger log, QueueId id, string peer, int hops, int passes);

    [LoggerMessage(LogLevel.Information, "Refused, from {Peer}: {Reason}")]
    public static partial void Refused(this ILogger log, string peer, string reason);

    [LoggerMessage(LogLevel.Information, "Refused, from {Peer}: {Reason} ({LeftOut} refusals before it were not logged)")]
    public static partial void RefusedAndMore(this ILogger log, string peer, string reason, long leftOut);

    [LoggerMessage(LogLevel.Information, "{Peer} proved itself by its certificate as {Name}")]
    public static partial void Certified(this ILogger log, string peer, string name);
}
