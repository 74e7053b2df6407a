using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace GatewaySecure.SmartCard;

/// <summary>
/// PC/SC on Linux (libpcsclite), macOS (PCSC.framework) and Windows (winscard), as one set of calls.
/// DWORD is 8 octets on Linux and 4 elsewhere; handles are 8, on macOS 4. By value both travel as <c>nuint</c> in a register;
/// behind pointers the variables start as zero, so that a 4-octet result reads right (all of them little-endian).
/// Structs are laid out by hand. Results are cut to 32 bits.
/// </summary>
internal static unsafe partial class PcscNative
{
    private const string Library = "pcsc";

    static PcscNative() => NativeLibrary.SetDllImportResolver(typeof(PcscNative).Assembly, Resolve);

    public static Encoding Text { get; } = OperatingSystem.IsWindows() ? Encoding.Unicode : Encoding.UTF8;

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path)
    {
        if (name != Library)
            return 0;
        var file = OperatingSystem.IsWindows() ? "winscard.dll"
            : OperatingSystem.IsMacOS() ? "/System/Library/Frameworks/PCSC.framework/PCSC"
            : "libpcsclite.so.1";
        return NativeLibrary.Load(file);
    }

    [LibraryImport(Library)]
    private static partial nint SCardEstablishContext(nuint scope, nint reserved1, nint reserved2, ref nuint context);

    [LibraryImport(Library)]
    private static partial nint SCardReleaseContext(nuint context);

    [LibraryImport(Library)]
    private static partial nint SCardListReaders(nuint context, byte* groups, byte* readers, ref nuint length);

    [LibraryImport(Library)]
    private static partial nint SCardListReadersW(nuint context, byte* groups, byte* readers, ref nuint length);

    [LibraryImport(Library)]
    private static partial nint SCardConnect(nuint context, byte* reader, nuint share, nuint protocols, ref nuint card, ref nuint protocol);

    [LibraryImport(Library)]
    private static partial nint SCardConnectW(nuint context, byte* reader, nuint share, nuint protocols, ref nuint card, ref nuint protocol);

    [LibraryImport(Library)]
    private static partial nint SCardReconnect(nuint card, nuint share, nuint protocols, nuint initialization, ref nuint protocol);

    [LibraryImport(Library)]
    private static partial nint SCardDisconnect(nuint card, nuint disposition);

    [LibraryImport(Library)]
    private static partial nint SCardBeginTransaction(nuint card);

    [LibraryImport(Library)]
    private static partial nint SCardEndTransaction(nuint card, nuint disposition);

    [LibraryImport(Library)]
    private static partial nint SCardTransmit(
        nuint card, byte* sendHeader, byte* command, nuint commandLength, byte* receiveHeader, byte* response, ref nuint responseLength);

    [LibraryImport(Library)]
    private static partial nint SCardGetStatusChange(nuint context, nuint timeout, byte* states, nuint count);

    [LibraryImport(Library)]
    private static partial nint SCardGetStatusChangeW(nuint context, nuint timeout, byte* states, nuint count);

    [LibraryImport(Library)]
    private static partial nint SCardCancel(nuint context);

    public static uint Establish(ref nuint context) => (uint)SCardEstablishContext(2, 0, 0, ref context);

    public static uint Release(nuint context) => (uint)SCardReleaseContext(context);

    public static uint ListReaders(nuint context, byte[]? buffer, ref nuint characters)
    {
        fixed (byte* readers = buffer)
        {
            return (uint)(OperatingSystem.IsWindows()
                ? SCardListReadersW(context, null, readers, ref characters)
                : SCardListReaders(context, null, readers, ref characters));
        }
    }

    public static uint Connect(nuint context, string reader, uint share, uint protocols, ref nuint card, ref nuint protocol)
    {
        fixed (byte* name = Terminated(reader))
        {
            return (uint)(OperatingSystem.IsWindows()
                ? SCardConnectW(context, name, share, protocols, ref card, ref protocol)
                : SCardConnect(context, name, share, protocols, ref card, ref protocol));
        }
    }

    public static uint Reconnect(nuint card, uint share, uint protocols, uint initialization, ref nuint protocol) =>
        (uint)SCardReconnect(card, share, protocols, initialization, ref protocol);

    public static uint Disconnect(nuint card, uint disposition) => (uint)SCardDisconnect(card, disposition);

    public static uint BeginTransaction(nuint card) => (uint)SCardBeginTransaction(card);

    public static uint EndTransaction(nuint card, uint disposition) => (uint)SCardEndTransaction(card, disposition);

    public static uint Transmit(nuint card, nuint protocol, ReadOnlySpan<byte> command, Span<byte> response, ref nuint length)
    {
        // SCARD_IO_REQUEST: protocol and own length, as two DWORDs.
        var wide = OperatingSystem.IsLinux();
        var header = stackalloc byte[16];
        if (wide)
        {
            ((ulong*)header)[0] = protocol;
            ((ulong*)header)[1] = 16;
        }
        else
        {
            ((uint*)header)[0] = (uint)protocol;
            ((uint*)header)[1] = 8;
        }
        fixed (byte* send = command, receive = response)
            return (uint)SCardTransmit(card, header, send, (nuint)command.Length, null, receive, ref length);
    }

    /// <summary>Ends a <see cref="GetStatusChange"/> that waits with this context in another thread.</summary>
    public static uint Cancel(nuint context) => (uint)SCardCancel(context);

    /// <summary>Waits until one of the readers is no longer as it is known to be, at most <paramref name="timeout"/> milliseconds.</summary>
    public static uint GetStatusChange(nuint context, uint timeout, IReadOnlyList<ReaderState> readers)
    {
        // READERSTATE: name, user data, current state, event state, ATR length, ATR.
        // Linux 80 octets with 8-octet DWORDs; macOS 61, packed; Windows 64.
        var wide = OperatingSystem.IsLinux();
        var size = wide ? 80 : OperatingSystem.IsMacOS() ? 61 : 64;
        var names = readers.Select(r => Terminated(r.Name)).ToArray();
        var pins = names.Select(n => GCHandle.Alloc(n, GCHandleType.Pinned)).ToArray();
        var octets = new byte[size * readers.Count];
        try
        {
            fixed (byte* entries = octets)
            {
                for (var i = 0; i < readers.Count; i++)
                {
                    var entry = entries + i * size;
                    Unsafe.WriteUnaligned(entry, pins[i].AddrOfPinnedObject());
                    if (wide)
                        Unsafe.WriteUnaligned<ulong>(entry + 16, readers[i].State);
                    else
                        Unsafe.WriteUnaligned(entry + 16, readers[i].State);
                }
                var result = (uint)(OperatingSystem.IsWindows()
                    ? SCardGetStatusChangeW(context, timeout, entries, (nuint)readers.Count)
                    : SCardGetStatusChange(context, timeout, entries, (nuint)readers.Count));
                for (var i = 0; i < readers.Count; i++)
                {
                    var entry = entries + i * size;
                    readers[i].State = wide ? (uint)Unsafe.ReadUnaligned<ulong>(entry + 24) : Unsafe.ReadUnaligned<uint>(entry + 20);
                    var length = wide ? (int)Unsafe.ReadUnaligned<ulong>(entry + 32) : Unsafe.ReadUnaligned<int>(entry + 24);
                    readers[i].Atr = new ReadOnlySpan<byte>(entry + (wide ? 40 : 28), Math.Clamp(length, 0, 33)).ToArray();
                }
                return result;
            }
        }
        finally
        {
            foreach (var pin in pins)
                pin.Free();
        }
    }

    private static byte[] Terminated(string text) => Text.GetBytes(text + '\0');
}

/// <summary>A reader in a question for changes: what is known of it, then what is (the upper half of the state counts events).</summary>
internal sealed class ReaderState(string name, uint state = 0)
{
    private const uint Unavailable = 0x0008;
    private const uint Present = 0x0020;
    private const uint Mute = 0x0200;

    public string Name { get; } = name;

    public uint State { get; set; } = state;

    public byte[] Atr { get; set; } = [];

    public bool IsThere => (State & Unavailable) == 0;

    public bool HasCard => (State & Present) != 0 && (State & Mute) == 0;

    public int Events => (int)(State >> 16);
}

/// <summary>A context of the PC/SC service, released at the end.</summary>
internal sealed class PcscContextHandle : SafeHandle
{
    public PcscContextHandle() : base(0, ownsHandle: true) { }

    public override bool IsInvalid => false;

    public nuint Value => (nuint)handle;

    /// <returns>The service's answer; the handle is only good after 0.</returns>
    public static uint Establish(out PcscContextHandle context)
    {
        nuint value = 0;
        var result = PcscNative.Establish(ref value);
        context = new PcscContextHandle();
        if (result == 0)
            context.SetHandle((nint)value);
        else
            context.SetHandleAsInvalid();
        return result;
    }

    protected override bool ReleaseHandle() => PcscNative.Release((nuint)handle) == 0;
}

/// <summary>A connected card, disconnected with a reset at the end: nothing stays verified.</summary>
internal sealed class PcscCardHandle : SafeHandle
{
    private const uint ResetCard = 1;

    public PcscCardHandle(nuint card) : base(0, ownsHandle: true) => SetHandle((nint)card);

    public override bool IsInvalid => false;

    public nuint Value => (nuint)handle;

    /// <summary>What happens to the card at the end: 0 leave, 1 reset.</summary>
    public uint Disposition { get; set; } = ResetCard;

    protected override bool ReleaseHandle() => PcscNative.Disconnect((nuint)handle, Disposition) == 0;
}
