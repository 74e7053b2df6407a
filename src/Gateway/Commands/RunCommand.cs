using System.CommandLine;
using System.Security.Cryptography;
using GatewaySecure.Gateway.Configuration;
using GatewaySecure.Gateway.Hosting;

namespace GatewaySecure.Gateway.Commands;

/// <summary><c>gateway run</c>: the gateway, until it is told to stop.</summary>
internal static class RunCommand
{
    public static Command Create()
    {
        var config = CommonOptions.Config();
        var state = CommonOptions.State();
        var command = new Command("run", """
            Runs the gateway until Ctrl-C or SIGTERM.

            Example:
              gateway run --config gateway.yaml --state /var/lib/gatewaysecure
            """)
        { config, state };
        command.SetAction((parsed, cancellationToken) => RunAsync(parsed.GetValue(config)!, parsed.GetValue(state)!, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(string configFile, string stateDirectory, CancellationToken cancellationToken)
    {
        if (CommonOptions.Load(configFile) is not { } configuration)
            return ExitCode.Problem;
        GatewayServer server;
        try
        {
            server = await GatewayServer.StartAsync(configuration, stateDirectory, logFile: null, cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException or InvalidDataException)
        {
            await Console.Error.WriteLineAsync($"The gateway did not start: {e.Message}");
            return ExitCode.Problem;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return ExitCode.Success;
        }
        await using (server)
            await Task.Delay(Timeout.Infinite, cancellationToken).ContinueWith(_ => { }, TaskScheduler.Default);
        return ExitCode.Success;
    }
}
