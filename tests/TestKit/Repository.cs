namespace GatewaySecure.TestKit;

/// <summary>The source tree that the tests were built from.</summary>
public static class Repository
{
    public static string Root { get; } = FindRoot();

    private static string FindRoot()
    {
        for (var d = new DirectoryInfo(AppContext.BaseDirectory); d is not null; d = d.Parent)
        {
            if (File.Exists(Path.Combine(d.FullName, "GatewaySecure.sln")))
                return d.FullName;
        }
        throw new InvalidOperationException("GatewaySecure.sln was not found above the test binaries.");
    }
}
