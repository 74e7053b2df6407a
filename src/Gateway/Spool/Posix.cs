using System.ComponentModel;
using System.Runtime.InteropServices;

namespace GatewaySecure.Gateway.Spool;

/// <summary>The calls the platform has no name for: making names in a directory durable. Nothing to do on Windows, whose file system journals them.</summary>
internal static partial class Posix
{
    // O_RDONLY | O_CLOEXEC on Linux; macOS spells close-on-exec differently.
    private static readonly int ReadOnly = OperatingSystem.IsMacOS() ? 0x1000000 : 0x80000;

    /// <exception cref="IOException">The directory can't be opened or the disk fails.</exception>
    public static void SyncDirectory(string path)
    {
        if (OperatingSystem.IsWindows())
            return;
        var descriptor = Open(path, ReadOnly);
        if (descriptor < 0)
            throw Failure("opened");
        try
        {
            if (Sync(descriptor) != 0)
                throw Failure("flushed");
        }
        finally
        {
            _ = Close(descriptor);
        }

        IOException Failure(string what)
        {
            var error = new Win32Exception(Marshal.GetLastPInvokeError());
            return new IOException($"Directory {path} could not be {what}: {error.Message}.", error);
        }
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Sync(int descriptor);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int descriptor);
}
