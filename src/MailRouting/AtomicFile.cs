namespace GatewaySecure.MailRouting;

/// <summary>A small file that is there whole or not at all, for its owner only.</summary>
internal static class AtomicFile
{
    public static void Write(string path, ReadOnlySpan<byte> content)
    {
        var aside = path + ".new";
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using (var stream = new FileStream(aside, options))
        {
            stream.Write(content);
            stream.Flush(flushToDisk: true);
        }
        File.Move(aside, path, overwrite: true);
    }
}
