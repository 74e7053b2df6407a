using GatewaySecure.Gateway.Spool;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.Gateway.Scanning;

/// <summary>What scanning and signing tell the log.</summary>
internal static partial class ScanningLog
{
    [LoggerMessage(LogLevel.Information, "{Id} passed scanner {Scanner}, which added {Fields} header fields")]
    public static partial void Scanned(this ILogger log, string scanner, QueueId id, int fields);

    [LoggerMessage(LogLevel.Warning, "Scanner {Scanner} could not look at {Id}: {Reason}")]
    public static partial void ScannerFailed(this ILogger log, string scanner, QueueId id, string reason);

    [LoggerMessage(LogLevel.Critical, "Scanner {Scanner} refused {Id} ({Handling}): {Reason}")]
    public static partial void Refused(this ILogger log, string scanner, QueueId id, InfectedHandling handling, string reason);
}
