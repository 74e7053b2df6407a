using System.Collections.Immutable;
using System.Text.Json;

namespace GatewaySecure.Trust.Tests;

/// <summary>One case of NIST's Public Key Interoperability Test Suite.</summary>
/// <param name="Number">Of the case; some have subparts with other initial settings.</param>
/// <param name="Certificates">The anchor first, the end entity last.</param>
/// <param name="ExpectedPolicies">The user-constrained policy set; null where the case does not say.</param>
public sealed record PkitsCase(
    string Number, string Name, ImmutableArray<string> Certificates, ImmutableArray<string> Lists, bool IsValid, PathPolicies Policies,
    ImmutableArray<string>? ExpectedPolicies);

/// <summary>The suite as it lies beside the repository.</summary>
internal static class PkitsSuite
{
    private const string PolicyArc = "2.16.840.1.101.3.2.1.48.";

    /// <summary>Null where the vectors are not there.</summary>
    public static string? Folder { get; } = FindFolder();

    public static ImmutableArray<PkitsCase> Cases { get; } = Folder is null ? [] : Read(Folder);

    private static ImmutableArray<PkitsCase> Read(string folder)
    {
        using var manifest = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "manifest.json")));
        return [.. manifest.RootElement.EnumerateArray().Select(ReadCase)];
    }

    private static PkitsCase ReadCase(JsonElement element)
    {
        var policies = PathPolicies.None;
        ImmutableArray<string>? expected = null;
        foreach (var set in element.GetProperty("sets").EnumerateArray())
        {
            var value = set[1].GetString()!;
            switch (set[0].GetString())
            {
                case "SetInitialPolicySet":
                    policies = policies with { Initial = Policies(value) };
                    break;
                case "SetInitialExplicitPolicy":
                    policies = policies with { RequireExplicit = value == "true" };
                    break;
                case "SetInitialPolicyMappingInhibit":
                    policies = policies with { InhibitMapping = value == "true" };
                    break;
                case "SetInitialInhibitAnyPolicy":
                    policies = policies with { InhibitAny = value == "true" };
                    break;
                case "SetUserConstrainedPolicySet":
                    expected = Policies(value);
                    break;
                case var other:
                    throw new InvalidDataException($"An unknown setting: {other}.");
            }
        }
        return new(
            element.GetProperty("number").GetString()!, element.GetProperty("name").GetString()!, Strings(element, "certs"), Strings(element, "crls"),
            element.GetProperty("ok").GetBoolean(), policies, expected);
    }

    private static ImmutableArray<string> Policies(string names) =>
        [.. names.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(n => n == "anyPolicy" ? "2.5.29.32.0" : PolicyArc + n.Split('-')[^1])];

    private static ImmutableArray<string> Strings(JsonElement element, string name) =>
        [.. element.GetProperty(name).EnumerateArray().Select(s => s.GetString()!)];

    private static string? FindFolder()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var vectors = Path.Combine(folder.FullName, "shared", "vectors", "pkits");
            if (Directory.Exists(vectors))
                return vectors;
        }
        return null;
    }
}
