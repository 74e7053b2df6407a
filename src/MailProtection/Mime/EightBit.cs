using System.Buffers;
using System.Text;

namespace GatewaySecure.MailProtection.Mime;

/// <summary>Tells whether octets above 127 occur.</summary>
internal static class EightBit
{
    public static bool OccursIn(IMailContent content)
    {
        using var stream = content.OpenRead();
        var buffer = ArrayPool<byte>.Shared.Rent(32 * 1024);
        try
        {
            int read;
            while ((read = stream.Read(buffer)) > 0)
            {
                if (!Ascii.IsValid(buffer.AsSpan(0, read)))
                    return true;
            }
            return false;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer, clearArray: true);
        }
    }
}
