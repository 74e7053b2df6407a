namespace GatewaySecure.EndToEnd.Tests;

/// <summary>The programs under test as they are built for users, and files of the tree.</summary>
internal static class Programs
{
    /// <summary>Of this build: "release" or "debug".</summary>
    private static readonly string Configuration = Path.GetFileName(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));

    private static readonly string Bin = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "..", ".."));

    public static string Gateway => Path.Combine(Bin, "Gateway", Configuration, "gateway");

    public static string Kdc => Path.Combine(Bin, "KdcServer", Configuration, "kdc");

    public static string CardMail => Path.Combine(Bin, "CardClient", Configuration, "cardmail");

    public static string CardStation => Path.Combine(Bin, "CardEnrollment", Configuration, "cardstation");

    public static string InTree(params string[] path) => Path.GetFullPath(Path.Combine([Bin, "..", "..", .. path]));
}
