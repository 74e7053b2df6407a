namespace GatewaySecure.TestKit;

/// <summary>A fresh directory below the system's temporary folder, removed with everything in it at the end.</summary>
public sealed class TempDirectory : IDisposable
{
    public TempDirectory() => Path = Directory.CreateTempSubdirectory("gs-test-").FullName;

    public string Path { get; }

    public string this[string name] => System.IO.Path.Combine(Path, name);

    public void Dispose()
    {
        try
        {
            Directory.Delete(Path, recursive: true);
        }
        catch (IOException)
        {
            // A child process may still be writing its last line; the temporary folder is not ours to guard.
        }
    }
}
