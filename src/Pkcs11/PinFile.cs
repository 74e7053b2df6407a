using System.Text;

namespace GatewaySecure.Pkcs11;

/// <summary>A token's PIN as the one line of a file that its owner alone may read (0600).</summary>
public static class PinFile
{
    /// <exception cref="TokenException">Others may read the file, it is missing, or it is not one line.</exception>
    public static string Read(string path)
    {
        try
        {
            if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & ~(UnixFileMode.UserRead | UnixFileMode.UserWrite)) != 0)
                throw new TokenException(TokenFault.PinNeeded, $"{path}: other users may read this PIN file; give it mode 0600.");
            var lines = File.ReadAllLines(path, Encoding.UTF8);
            return lines is [{ Length: > 0 } pin] ? pin : throw new TokenException(TokenFault.PinNeeded, $"{path}: this PIN file must have one line, the PIN.");
        }
        catch (Exception e) when (e is not TokenException && e is IOException or UnauthorizedAccessException)
        {
            throw new TokenException(TokenFault.PinNeeded, $"{path}: the PIN file can't be read: {e.Message}", e);
        }
    }
}
