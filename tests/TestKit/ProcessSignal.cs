using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace GatewaySecure.TestKit;

/// <summary>Signals to processes that this one started; the platform itself offers only SIGKILL.</summary>
public static partial class ProcessSignal
{
    private const int Sigkill = 9;
    private const int Sigterm = 15;
    private const int NoSuchProcess = 3;

    /// <summary>Asks the process to end. One that has ended is left alone.</summary>
    /// <exception cref="Win32Exception">The signal was not delivered.</exception>
    public static void Terminate(Process process)
    {
        ArgumentNullException.ThrowIfNull(process);
        // It may end between the question and the signal; its id has not gone to a stranger in so short a time.
        if (!process.HasExited && Kill(process.Id, Sigterm) != 0 && Marshal.GetLastPInvokeError() is not NoSuchProcess and var error)
            throw new Win32Exception(error);
    }

    /// <summary>SIGKILL, at once and from any thread.</summary>
    /// <exception cref="Win32Exception">The signal was not delivered.</exception>
    public static void Kill(int process)
    {
        if (Kill(process, Sigkill) != 0)
            throw new Win32Exception(Marshal.GetLastPInvokeError());
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int id, int signal);
}
