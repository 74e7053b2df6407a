using Microsoft.Extensions.Logging;

namespace GatewaySecure.Gateway.Hosting;

/// <summary>What the server as a whole logs.</summary>
internal static partial class GatewayLogging
{
    [LoggerMessage(LogLevel.Information, "{HostName} is up on {EndPoints}; {Items} mails from the spool go on. Keys: {Vault}")]
    public static partial void Started(this ILogger log, string hostName, string endPoints, int items, string vault);

    [LoggerMessage(LogLevel.Warning, "Sessions that did not end within {Drain} were cut; what they had not been told 250 for stays with its senders")]
    public static partial void SessionsCut(this ILogger log, TimeSpan drain);

    [LoggerMessage(LogLevel.Warning, "Certificates: {Problem}")]
    public static partial void CertificateProblem(this ILogger log, string problem);

    [LoggerMessage(LogLevel.Error, "The vault can't be used; mail that needs it waits: {Problem}")]
    public static partial void VaultAway(this ILogger log, string problem);

    [LoggerMessage(LogLevel.Information, "The vault is back")]
    public static partial void VaultBack(this ILogger log);

    [LoggerMessage(LogLevel.Critical, "The spool item {File} can't be read and was set aside: {Reason}")]
    public static partial void SetAside(this ILogger log, string file, string reason);
}
