namespace GatewaySecure.Policies;

/// <summary>Joins texts so that no two lists give the same: each stands behind its length.</summary>
internal static class Canonical
{
    public static string Of(IEnumerable<string> parts) => string.Concat(parts.Select(p => $"{p.Length}:{p}"));
}
