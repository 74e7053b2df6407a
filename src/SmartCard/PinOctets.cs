using System.Security.Cryptography;
using System.Text;

namespace GatewaySecure.SmartCard;

/// <summary>Codes as a card takes them; the octets are cleared after their use, whatever happens.</summary>
internal static class PinOctets
{
    /// <summary>One code, or two without a border.</summary>
    /// <exception cref="ArgumentException">Nothing was given.</exception>
    public static T Use<T>(ReadOnlySpan<char> first, ReadOnlySpan<char> second, Func<byte[], T> use)
    {
        var octets = new byte[Encoding.UTF8.GetByteCount(first) + Encoding.UTF8.GetByteCount(second)];
        try
        {
            var used = Encoding.UTF8.GetBytes(first, octets);
            Encoding.UTF8.GetBytes(second, octets.AsSpan(used));
            // An empty VERIFY asks for the state of an earlier one; it must never pass for a right PIN.
            return octets.Length == 0 ? throw new ArgumentException("A PIN is not empty.") : use(octets);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(octets);
        }
    }

    /// <summary>Each code in a field of its own, filled up with FF. Null where one does not fit: nothing is sent then.</summary>
    public static T? UsePadded<T>(int field, ReadOnlySpan<char> first, ReadOnlySpan<char> second, Func<byte[], T> use)
        where T : class
    {
        var octets = new byte[second.IsEmpty ? field : 2 * field];
        try
        {
            Array.Fill(octets, (byte)0xFF);
            return first.IsEmpty || !Encoding.UTF8.TryGetBytes(first, octets.AsSpan(0, field), out _)
                || !Encoding.UTF8.TryGetBytes(second, octets.AsSpan(second.IsEmpty ? 0 : field), out _)
                ? null
                : use(octets);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(octets);
        }
    }
}
