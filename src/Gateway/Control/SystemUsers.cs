using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using GatewaySecure.Addresses;

namespace GatewaySecure.Gateway.Control;

/// <summary>What Linux says of users: who is at the other end of a socket, who runs this process, whose a file is. Elsewhere nobody is told from anybody.</summary>
internal static unsafe partial class SystemUsers
{
    private const int SocketLevel = 1;
    private const int PeerCredentials = 17;
    private const uint NoLogin = uint.MaxValue;
    private const int CurrentDirectory = -100;
    private const uint StatUserId = 0x8;
    private const int StatxLength = 256;
    private const int StatxUserIdOffset = 20;
    private const int PasswdLength = 256;

    /// <summary>The process that connected, as it was at that moment (SO_PEERCRED).</summary>
    /// <exception cref="SocketException">The system does not say.</exception>
    public static Operator PeerOf(Socket socket)
    {
        if (!OperatingSystem.IsLinux())
            return new Operator(Environment.UserName, null);
        // struct ucred: pid, uid, gid, of 4 octets each.
        Span<byte> credentials = stackalloc byte[12];
        if (socket.GetRawSocketOption(SocketLevel, PeerCredentials, credentials) != credentials.Length)
            throw new SocketException((int)SocketError.OperationNotSupported);
        var process = BitConverter.ToInt32(credentials);
        return Make(BitConverter.ToUInt32(credentials[4..]), LoginOf(process.ToString(CultureInfo.InvariantCulture)));
    }

    /// <summary>Who runs this process.</summary>
    public static Operator Current() =>
        OperatingSystem.IsLinux() ? Make(EffectiveUserId(), LoginOf("self")) : new Operator(Environment.UserName, null);

    /// <summary>Whose a file or folder is; null where the system does not say.</summary>
    public static SystemUser? OwnerOf(string path)
    {
        if (!OperatingSystem.IsLinux())
            return null;
        // struct statx has one layout on every machine.
        Span<byte> facts = stackalloc byte[StatxLength];
        facts.Clear();
        fixed (byte* pointer = facts)
        {
            if (Statx(CurrentDirectory, path, 0, StatUserId, pointer) != 0)
                return null;
        }
        return User(BitConverter.ToUInt32(facts[StatxUserIdOffset..]));
    }

    private static Operator Make(uint userId, uint? login) =>
        new(User(userId).Name, userId, login is { } id ? User(id) : null);

    /// <summary>Set once by the login and inherited ever after (pam_loginuid).</summary>
    private static uint? LoginOf(string process)
    {
        try
        {
            var text = File.ReadAllText($"/proc/{process}/loginuid");
            return uint.TryParse(text, CultureInfo.InvariantCulture, out var id) && id != NoLogin ? id : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A kernel without audit, or a process of another namespace: there is no login to be known.
            return null;
        }
    }

    private static SystemUser User(uint id)
    {
        // struct passwd begins with the pointer to the name, everywhere.
        Span<byte> entry = stackalloc byte[PasswdLength];
        var strings = new byte[16 << 10];
        fixed (byte* passwd = entry)
        fixed (byte* buffer = strings)
        {
            if (FindUser(id, passwd, buffer, (nuint)strings.Length, out var found) == 0 && found != 0
                && Marshal.PtrToStringUTF8(*(nint*)passwd) is { Length: > 0 } name)
                return new SystemUser(id, Printable.Show(name));
        }
        return new SystemUser(id, id.ToString(CultureInfo.InvariantCulture));
    }

    [LibraryImport("libc", EntryPoint = "geteuid")]
    private static partial uint EffectiveUserId();

    [LibraryImport("libc", EntryPoint = "getpwuid_r")]
    private static partial int FindUser(uint id, byte* passwd, byte* strings, nuint length, out nint found);

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int directory, string path, int flags, uint mask, byte* facts);
}
