using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization;
using GatewaySecure.KdcServer.Configuration;

namespace GatewaySecure.KdcServer.Commands;

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
        Description = "The configuration file (see config/kdc.sample.yaml).",
        DefaultValueFactory = _ => "kdc.yaml",
    };

    public static Option<string> State() => new("--state")
    {
        Description = "The folder that holds keys and database.",
        DefaultValueFactory = _ => Path.Combine("var", "kdc"),
    };

    public static Option<bool> AsJson() => new("--json") { Description = "As JSON, for scripts." };

    /// <summary>Reads the configuration and prints all that is to be said about it; null where there is an error.</summary>
    public static KdcServerConfiguration? Load(string file, bool warnings = true)
    {
        var result = KdcConfigurationLoader.Load(file);
        foreach (var problem in result.Problems.Where(p => p.IsError || warnings))
            Console.Error.WriteLine($"{(problem.IsError ? "error" : "warning")}: {problem}");
        if (result.Configuration is null)
            Console.Error.WriteLine("Nothing was done. Correct the errors above and try again.");
        return result.Configuration;
    }
}
