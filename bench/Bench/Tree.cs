namespace GatewaySecure.Bench;

/// <summary>The source tree that this program was built from, and where it may write.</summary>
internal static class Tree
{
    public static string Root { get; } = FindRoot();

    /// <summary>A fresh folder below var/bench, on the disk that the tree is on. Removed with everything in it.</summary>
    /// <exception cref="InvalidOperationException">It is held in memory only: fsync would cost nothing there, and nothing be measured.</exception>
    public static WorkDirectory MakeWorkDirectory()
    {
        var path = Path.Combine(Root, "var", "bench", Guid.NewGuid().ToString("N")[..8]);
        Directory.CreateDirectory(path);
        var format = new DriveInfo(path).DriveFormat;
        return format is not ("tmpfs" or "ramfs")
            ? new WorkDirectory(path)
            : throw new InvalidOperationException($"{path} is on {format}: fsync is to be measured too. Put the tree on a disk.");
    }

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "GatewaySecure.sln")))
                return folder.FullName;
        }
        throw new InvalidOperationException("The bench runs from its source tree only.");
    }
}

/// <summary>A folder that goes with its owner.</summary>
internal sealed class WorkDirectory(string path) : IDisposable
{
    public string Path { get; } = path;

    public string this[string name] => System.IO.Path.Combine(Path, name);

    public void Dispose()
    {
        try
        {
            Directory.Delete(Path, recursive: true);
        }
        catch (IOException)
        {
            // A process that was ended may still be closing its files; var/ is never kept anyway.
        }
    }
}
