using GatewaySecure.MailRouting.MtaSts;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.MailRouting;

/// <summary>What routing tells its log: domains, hosts, reasons.</summary>
internal static partial class MailRoutingLog
{
    [LoggerMessage(LogLevel.Information, "MTA-STS of {Domain}: fetched, mode {Mode}, id {Id}")]
    public static partial void PolicyFetched(this ILogger log, string domain, StsMode mode, string id);

    [LoggerMessage(LogLevel.Warning, "MTA-STS of {Domain}: could not be fetched. {Reason}")]
    public static partial void PolicyNotFetched(this ILogger log, string domain, string reason);

    [LoggerMessage(LogLevel.Warning, "MTA-STS of {Domain}: could not be refreshed; the one kept is in force until {Until:u}")]
    public static partial void PolicyKept(this ILogger log, string domain, DateTimeOffset until);

    [LoggerMessage(LogLevel.Error, "MTA-STS of {Domain}: its file could not be changed, so a restart may not know it. {Reason}")]
    public static partial void PolicyNotStored(this ILogger log, string domain, string reason);

    [LoggerMessage(LogLevel.Warning, "{File} holds no MTA-STS policy and is left out")]
    public static partial void DamagedPolicyFile(this ILogger log, string file);

    [LoggerMessage(LogLevel.Warning, "{File} holds no counts for TLS reports and is left out")]
    public static partial void DamagedCounts(this ILogger log, string file);

    [LoggerMessage(LogLevel.Error, "The counts for TLS reports could not be written. {Reason}")]
    public static partial void CountsNotStored(this ILogger log, string reason);

    [LoggerMessage(LogLevel.Information, "TLS report of {Day} to {Domain}: handed over to {Target}")]
    public static partial void ReportSent(this ILogger log, DateOnly day, string domain, string target);

    [LoggerMessage(LogLevel.Warning, "TLS report of {Day} to {Domain}: not taken by {Target}. {Reason}")]
    public static partial void ReportNotSent(this ILogger log, DateOnly day, string domain, string target, string reason);

    [LoggerMessage(LogLevel.Information, "Job '{Job}' starts to run every {Interval}")]
    public static partial void JobStarted(this ILogger log, string job, TimeSpan interval);

    [LoggerMessage(LogLevel.Error, "Job '{Job}' failed and will run again at its time")]
    public static partial void JobFailed(this ILogger log, string job, Exception exception);
}
