using System.Buffers.Binary;
using System.Security.Cryptography;

namespace GatewaySecure.SmartCard;

/// <summary>A command to a card (ISO 7816-4 §5.1). <c>Le</c>: null nothing expected, 0 as much as there is.</summary>
public sealed record Apdu(byte Cla, byte Ins, byte P1, byte P2, ReadOnlyMemory<byte> Data = default, int? Le = null)
{
    public const int MaxShort = 255;

    /// <summary>Short form where it fits, else extended.</summary>
    /// <exception cref="ArgumentException">More than 65535 octets of data.</exception>
    public byte[] Encode()
    {
        if (Data.Length > ushort.MaxValue || Le is < 0 or > 65536)
            throw new ArgumentException("An APDU carries at most 65535 octets each way.");
        var extended = Data.Length > MaxShort || Le > 256;
        var result = new byte[4 + DataLength(extended) + LeLength(extended)];
        (result[0], result[1], result[2], result[3]) = (Cla, Ins, P1, P2);
        var rest = result.AsSpan(4);
        if (Data.Length > 0)
        {
            if (extended)
                BinaryPrimitives.WriteUInt16BigEndian(rest[1..], (ushort)Data.Length);
            else
                rest[0] = (byte)Data.Length;
            rest = rest[(extended ? 3 : 1)..];
            Data.Span.CopyTo(rest);
            rest = rest[Data.Length..];
        }
        // The largest Le of each form is written as zero, which is also "as much as there is".
        if (Le is { } le && extended)
            BinaryPrimitives.WriteUInt16BigEndian(rest[^2..], (ushort)le);
        else if (Le is { } small)
            rest[0] = (byte)small;
        return result;
    }

    private int DataLength(bool extended) => Data.Length == 0 ? 0 : Data.Length + (extended ? 3 : 1);

    private int LeLength(bool extended) => Le is null ? 0 : !extended ? 1 : Data.Length == 0 ? 3 : 2;
}

/// <summary>What the card answered. The data may be secret: <c>Clear</c> it after use.</summary>
public sealed record CardResponse(byte[] Data, ushort Status)
{
    public const ushort Success = 0x9000;

    public bool Ok => Status == Success;

    public void Clear() => CryptographicOperations.ZeroMemory(Data);

    /// <exception cref="CardException">The status word says no; the message names it in words.</exception>
    public byte[] Checked(string what) => Ok ? Data : throw StatusWord.Error(what, Status);
}

/// <summary>
/// Sends whole commands over a channel: chains what is longer than one short APDU, fetches what comes in pieces (61xx),
/// repeats with the length the card names (6Cxx). Buffers with command data are cleared.
/// </summary>
internal sealed class ApduSender(ICardChannel channel)
{
    private const int MaxResponse = 1 << 17;

    public CardResponse Send(Apdu command)
    {
        var data = command.Data;
        while (data.Length > Apdu.MaxShort)
        {
            var link = command with { Cla = (byte)(command.Cla | 0x10), Data = data[..Apdu.MaxShort], Le = null };
            var answer = Exchange(link);
            if (!answer.Ok)
                return answer;
            data = data[Apdu.MaxShort..];
        }
        var last = command with { Data = data, Le = command.Le > 256 ? 0 : command.Le };
        var response = Exchange(last);
        if (response.Status >> 8 == 0x6C)
            response = Exchange(last with { Le = response.Status & 0xFF });
        return response.Status >> 8 == 0x61 ? Collect(command.Cla, response) : response;
    }

    private CardResponse Collect(byte cla, CardResponse response)
    {
        using var all = new MemoryStream();
        try
        {
            while (true)
            {
                all.Write(response.Data);
                response.Clear();
                if (response.Status >> 8 != 0x61)
                    return new CardResponse(all.ToArray(), response.Status);
                if (all.Length > MaxResponse)
                    throw new CardException(CardFault.Protocol, "The card's answer has no end.");
                response = Exchange(new Apdu(cla, 0xC0, 0, 0, default, response.Status & 0xFF));
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(all.GetBuffer());
        }
    }

    private CardResponse Exchange(Apdu command)
    {
        var octets = command.Encode();
        byte[] answer;
        try
        {
            answer = channel.Transmit(octets);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(octets);
        }
        if (answer.Length < 2)
            throw new CardException(CardFault.Protocol, "The card's answer is too short to be one. Reinsert the card.");
        var status = BinaryPrimitives.ReadUInt16BigEndian(answer.AsSpan(answer.Length - 2));
        var response = new CardResponse(answer[..^2], status);
        CryptographicOperations.ZeroMemory(answer);
        return response;
    }
}

/// <summary>Status words in plain words (ISO 7816-4 §5.6).</summary>
internal static class StatusWord
{
    public static CardException Error(string what, ushort status)
    {
        var (fault, reason) = status switch
        {
            0x6285 => (CardFault.Protocol, "the card was terminated; it has to be reset to factory state"),
            0x6700 => (CardFault.Protocol, "the length is not one the card takes"),
            0x6982 => (CardFault.PinNeeded, "the PIN for it is not verified"),
            0x6983 => (CardFault.PinNeeded, "the PIN is blocked"),
            0x6A80 => (CardFault.Protocol, "the card does not accept this data"),
            0x6A82 => (CardFault.NotFound, "the card has no such application"),
            0x6A84 => (CardFault.Protocol, "there is not enough room on the card"),
            0x6A88 => (CardFault.NotFound, "the card has no such key or object"),
            0x6D00 or 0x6E00 => (CardFault.Protocol, "the card does not know this command"),
            _ => (CardFault.Protocol, "the card refused"),
        };
        return new CardException(fault, $"{what}: {reason} (status {status:X4}).");
    }
}
