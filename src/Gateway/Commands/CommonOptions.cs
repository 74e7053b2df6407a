using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using GatewaySecure.Gateway.Configuration;

namespace GatewaySecure.Gateway.Commands;

/// <summary>What a command says to the shell that ran it.</summary>
internal static class ExitCode
{
    public const int Success = 0;
    public const int Problem = 1;
}

/// <summary>Options that several commands share, with the same names and defaults everywhere.</summary>
internal static class CommonOptions
{
    /// <summary>For <c>--json</c>: words instead of numbers, indented.</summary>
    public static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    public static Option<string> Config() => new("--config")
    {
        Description = "The configuration file (see config/gateway.sample.yaml).",
        DefaultValueFactory = _ => "gateway.yaml",
    };

    public static Option<string> State() => new("--state")
    {
        Description = "The folder that holds spool, keys, database and certificates.",
        DefaultValueFactory = _ => Path.Combine("var", "gateway"),
    };

    public static Option<bool> AsJson() => new("--json") { Description = "As JSON, for scripts." };

    /// <summary>A moment as commands print it, in UTC.</summary>
    /// <param name="none">Where there is none.</param>
    public static string Time(DateTimeOffset? at, string none = "-") => at?.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture) ?? none;

    /// <summary>Reads the configuration and prints all that is to be said about it; null where there is an error.</summary>
    public static GatewayConfiguration? Load(string file)
    {
        var result = ConfigurationLoader.Load(file);
        foreach (var problem in result.Problems)
            Console.Error.WriteLine($"{(problem.IsError ? "error" : "warning")}: {problem}");
        if (result.Configuration is null)
            Console.Error.WriteLine("Nothing was started. Correct the errors above and try again.");
        return result.Configuration;
    }
}
