using Microsoft.Extensions.Logging;

namespace GatewaySecure.Gateway.Jobs;

/// <summary>Every log line of the jobs.</summary>
internal static partial class JobLog
{
    [LoggerMessage(EventId = 700, Level = LogLevel.Warning, Message = "The job {Name}: {Text}")]
    public static partial void JobReported(this ILogger log, string name, string text);

    [LoggerMessage(EventId = 701, Level = LogLevel.Error, Message = "The job {Name} met a fault; it runs again at its time.")]
    public static partial void JobFailed(this ILogger log, string name, Exception fault);
}
