using GatewaySecure.MailProtection;

namespace GatewaySecure.CardClient;

/// <summary>A message in a file.</summary>
internal sealed class FileMail(string path) : IMailContent
{
    public long Length { get; } = new FileInfo(path).Length;

    public Stream OpenRead() => new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read);
}

/// <summary>A file that appears whole or not at all, readable by its owner alone.</summary>
internal sealed class AtomicFile : IDisposable
{
    private readonly string _path;
    private readonly string _temporary;

    public AtomicFile(string path)
    {
        _path = Path.GetFullPath(path);
        _temporary = _path + "." + Path.GetRandomFileName();
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        Stream = new FileStream(_temporary, options);
    }

    public FileStream Stream { get; }

    public void Publish()
    {
        Stream.Flush(flushToDisk: true);
        Stream.Dispose();
        File.Move(_temporary, _path, overwrite: true);
    }

    public void Dispose()
    {
        Stream.Dispose();
        File.Delete(_temporary);
    }
}
