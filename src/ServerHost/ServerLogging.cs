using Microsoft.Extensions.Logging;

namespace GatewaySecure.ServerHost;

/// <summary>One line for each event: time, level, what happened. To standard output, or to a file.</summary>
public static class ServerLogging
{
    /// <param name="file">Null: standard output.</param>
    public static ILoggerFactory Create(string? file) => LoggerFactory.Create(logging =>
    {
        logging.ClearProviders();
        logging.SetMinimumLevel(LogLevel.Information);
        logging.AddFilter("Microsoft", LogLevel.Warning);
        logging.AddProvider(new LineLoggerProvider(file));
    });
}
