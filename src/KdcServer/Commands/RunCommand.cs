using System.CommandLine;
using System.Security.Cryptography;
using GatewaySecure.KdcServer.Hosting;

namespace GatewaySecure.KdcServer.Commands;

/// <summary><c>kdc run</c>: the server, until it is told to stop; and <c>kdc config check</c>.</summary>
internal static class RunCommand
{
    public static Command Create()
    {
        var config = CommonOptions.Config();
        var state = CommonOptions.State();
        var command = new Command("run", """
            Runs the KDC until Ctrl-C or SIGTERM.

            Example:
              kdc run --config kdc.yaml --state /var/lib/gatewaysecure-kdc
            """)
        { config, state };
        command.SetAction((parsed, cancellationToken) => RunAsync(parsed.GetValue(config)!, parsed.GetValue(state)!, cancellationToken));
        return command;
    }

    public static Command CreateConfig()
    {
        var file = new Argument<string>("FILE") { Description = "The configuration file.", DefaultValueFactory = _ => "kdc.yaml" };
        var check = new Command("check", """
            Reads a configuration file and says everything that is wrong with it, with line and key. Exit status 1 where it can't be used.

            Example:
              kdc config check kdc.yaml
            """)
        { file };
        check.SetAction(parsed =>
        {
            if (CommonOptions.Load(parsed.GetValue(file)!) is not { } configuration)
                return ExitCode.Problem;
            Console.WriteLine($"The configuration is good: the KDC of {configuration.Realm} on {string.Join(", ", configuration.Listeners)}.");
            return ExitCode.Success;
        });
        return new Command("config", "The configuration file.") { check };
    }

    private static async Task<int> RunAsync(string configFile, string stateDirectory, CancellationToken cancellationToken)
    {
        if (CommonOptions.Load(configFile) is not { } configuration)
            return ExitCode.Problem;
        KdcHost host;
        try
        {
            host = await KdcHost.StartAsync(configuration, stateDirectory, logFile: null, TimeProvider.System, cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException or InvalidDataException)
        {
            await Console.Error.WriteLineAsync($"The KDC did not start: {e.Message}");
            return ExitCode.Problem;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return ExitCode.Success;
        }
        await using (host)
            await Task.Delay(Timeout.Infinite, cancellationToken).ContinueWith(_ => { }, TaskScheduler.Default);
        return ExitCode.Success;
    }
}
