using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace GatewaySecure.TestKit;

/// <summary>Signals to processes that this one started; the platform itself offers only SIGKILL.</summary>
public static partial class ProcessSignal
{
    private const int Sigterm = 15;

    /// <summary>Asks the process to end. One that has ended is left alone.</summary>
    /// <exception cref="Win32Exception">The signal was not delivered.</exception>
    public static void Terminate(Process process)
    {
        ArgumentNullException.ThrowIfNull(process);
        // A child that has ended is a zombie until it is waited for: its id can't have gone to a stranger.
        if (!process.HasExited && Kill(process.Id, Sigterm) != 0)
            throw new Win32Exception(Marshal.GetLastPInvokeError());
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int id, int signal);
}
