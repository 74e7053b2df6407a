using System.Collections.Immutable;

namespace GatewaySecure.Settings;

/// <summary>One thing that is wrong, or worth knowing, in a configuration file.</summary>
/// <param name="File">Its name without the folder.</param>
/// <param name="Key">Such as <c>rules[2].method</c>; empty where it is about the file.</param>
/// <param name="IsError">False: a warning; the configuration can be used.</param>
public sealed record ConfigurationProblem(string File, long Line, long Column, string Key, string Message, bool IsError = true)
{
    public override string ToString() => $"{File}:{Line}:{Column} {(Key.Length == 0 ? "" : Key + ": ")}{Message}";
}

/// <summary>What came of reading a configuration file.</summary>
/// <param name="Configuration">Null where a problem is an error.</param>
/// <param name="Problems">All of them, in the file's order.</param>
public sealed record ConfigurationResult<T>(T? Configuration, ImmutableArray<ConfigurationProblem> Problems)
    where T : class;
