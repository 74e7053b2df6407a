using System.Buffers.Binary;

namespace GatewaySecure.VirtualCard;

/// <summary>A decoded command, short or extended (ISO 7816-4 §5.1). <c>Le</c> is 0 when the command asks for nothing.</summary>
internal sealed record CommandApdu(byte Cla, byte Ins, byte P1, byte P2, byte[] Data, int Le, bool Extended)
{
    public const int MaxShortResponse = 256;
    public const int MaxExtendedResponse = 65536;

    public ushort Tag => (ushort)(P1 << 8 | P2);

    public bool Chained => (Cla & 0x10) != 0;

    /// <returns>Null where the lengths contradict each other.</returns>
    public static CommandApdu? Parse(ReadOnlySpan<byte> apdu)
    {
        if (apdu.Length < 4)
            return null;
        var body = apdu[4..];
        CommandApdu Make(ReadOnlySpan<byte> data, int le, bool extended, ReadOnlySpan<byte> header) =>
            new(header[0], header[1], header[2], header[3], data.ToArray(), le, extended);

        if (body.IsEmpty)
            return Make([], 0, false, apdu);
        if (body.Length == 1)
            return Make([], body[0] == 0 ? MaxShortResponse : body[0], false, apdu);
        if (body[0] != 0)
        {
            var length = body[0];
            if (body.Length == 1 + length)
                return Make(body[1..], 0, false, apdu);
            if (body.Length == 2 + length)
                return Make(body[1..^1], body[^1] == 0 ? MaxShortResponse : body[^1], false, apdu);
            return null;
        }
        if (body.Length < 3)
            return null;
        var extended = BinaryPrimitives.ReadUInt16BigEndian(body[1..]);
        if (body.Length == 3)
            return Make([], extended == 0 ? MaxExtendedResponse : extended, true, apdu);
        if (extended == 0)
            return null;
        if (body.Length == 3 + extended)
            return Make(body[3..], 0, true, apdu);
        if (body.Length != 5 + extended)
            return null;
        var le = BinaryPrimitives.ReadUInt16BigEndian(body[^2..]);
        return Make(body[3..^2], le == 0 ? MaxExtendedResponse : le, true, apdu);
    }
}
