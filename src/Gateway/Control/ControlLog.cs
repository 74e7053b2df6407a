using Microsoft.Extensions.Logging;

namespace GatewaySecure.Gateway.Control;

/// <summary>What the control channel tells the log: who commanded what; the mails themselves stand in the audit.</summary>
internal static partial class ControlLog
{
    [LoggerMessage(LogLevel.Information, "Queue command {Verb} by {Who}: {Result}")]
    public static partial void Commanded(this ILogger log, ControlVerb verb, string who, string result);

    [LoggerMessage(LogLevel.Warning, "A queue command was refused: {Reason}")]
    public static partial void CommandRefused(this ILogger log, string reason);

    [LoggerMessage(LogLevel.Error, "A queue command met a fault")]
    public static partial void CommandFailed(this ILogger log, Exception exception);

    [LoggerMessage(LogLevel.Error, "The control socket {Path} can't be opened, so queue commands work only while the gateway is stopped: {Reason}")]
    public static partial void NoControl(this ILogger log, string path, string reason);
}
