using Microsoft.Extensions.Logging;

namespace GatewaySecure.KdcServer.Hosting;

/// <summary>Every log line of the server.</summary>
internal static partial class KdcLog
{
    [LoggerMessage(LogLevel.Information, "The KDC of {Realm} is up on {EndPoints}. Keys: {Vault}. Certificate SHA-256: {Fingerprint}")]
    public static partial void Started(this ILogger log, string realm, string endPoints, string vault, string fingerprint);

    [LoggerMessage(LogLevel.Information, "The KDC has stopped")]
    public static partial void Stopped(this ILogger log);

    [LoggerMessage(LogLevel.Warning, "Requests that did not end within {Drain} were cut; whoever waits asks again")]
    public static partial void RequestsCut(this ILogger log, TimeSpan drain);

    [LoggerMessage(LogLevel.Error, "{Operation} could not be answered; the peer was told to come later")]
    public static partial void NotAnswered(this ILogger log, Exception exception, string operation);

    [LoggerMessage(LogLevel.Information, "Audit anchored at line {Sequence}: {Hash}")]
    public static partial void Anchored(this ILogger log, long sequence, string hash);

    [LoggerMessage(LogLevel.Error, "The audit could not be anchored; it is tried again at the next time")]
    public static partial void NotAnchored(this ILogger log, Exception exception);

    [LoggerMessage(LogLevel.Information, "The CA {Name} serves CRL and OCSP on {Listener}, known as {Address}")]
    public static partial void CaServes(this ILogger log, System.Net.IPEndPoint listener, Uri address, string name);

    [LoggerMessage(LogLevel.Warning, "There is a section 'ca' but no CA yet, so nothing of it is served: make one with 'kdc ca init' or 'kdc ca install', and start again")]
    public static partial void CaIsMissing(this ILogger log);

    [LoggerMessage(LogLevel.Information, "Encryption certificates were brought to {Count} entries of {Directory}")]
    public static partial void Published(this ILogger log, int count, Uri directory);

    [LoggerMessage(LogLevel.Warning, "Encryption certificates could not be brought to {Directory}; it is tried again soon: {Reason}")]
    public static partial void NotPublished(this ILogger log, Uri directory, string reason);

    [LoggerMessage(LogLevel.Error, "{What} could not be served: {Reason}")]
    public static partial void CaFailed(this ILogger log, string what, string reason);

    [LoggerMessage(LogLevel.Error, "The vault can't be used; whoever asks is told to come later: {Problem}")]
    public static partial void VaultAway(this ILogger log, string problem);

    [LoggerMessage(LogLevel.Information, "The vault is back")]
    public static partial void VaultBack(this ILogger log);

    [LoggerMessage(LogLevel.Information, "Operator {Operator} logged on at the station with the transport key {Station}")]
    public static partial void OperatorCame(this ILogger log, string @operator, string station);

    [LoggerMessage(LogLevel.Information, "The session of operator {Operator} has ended: {Reason}")]
    public static partial void OperatorLeft(this ILogger log, string @operator, string reason);

    [LoggerMessage(LogLevel.Error, "Cards whose time is over, or their certificates, could not be dealt with; it is tried again within a minute")]
    public static partial void CardsNotSettled(this ILogger log, Exception exception);

    [LoggerMessage(LogLevel.Error, "A line '{Action}' could not be written to the audit")]
    public static partial void NotAudited(this ILogger log, Exception exception, string action);

    [LoggerMessage(LogLevel.Warning, "Not ready: {Reason}")]
    public static partial void NotReady(this ILogger log, string reason);
}
