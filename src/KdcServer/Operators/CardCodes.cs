using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using GatewaySecure.HsmAdapter;
using GatewaySecure.KdcCore;
using GatewaySecure.KdcTransport.Operator;

namespace GatewaySecure.KdcServer.Operators;

/// <summary>
/// The issuer's codes of each card, another set at each issuing: HMAC-SHA-256 by a key of the vault over kind, serial number and generation. So none
/// is stored anywhere, and a list of cards that was stolen opens none of them.
/// </summary>
internal static class CardCodes
{
    public static CardCodesView Of(MarkKey key, CardModel model, string serial, int generation)
    {
        var administrator = Octets("administrator");
        var unblocking = Digits(Octets("unblocking"), 8);
        return model switch
        {
            // AES-192: 24 octets. A PUK has eight digits at the most (NIST SP 800-73-4 part 1, §4.3).
            CardModel.Piv => new CardCodesView(Convert.ToHexString(administrator, 0, 24), unblocking),
            CardModel.Token => new CardCodesView(Digits(administrator, 12), null),
            _ => new CardCodesView(Digits(administrator, 12), unblocking),
        };

        byte[] Octets(string what) =>
            key.Tag(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"GatewaySecure/kdc/card-code/1\n{model}\n{serial}\n{generation}\n{what}")));
    }

    /// <summary>Of 64 bits, so that no digit is noticeably likelier than another.</summary>
    private static string Digits(byte[] octets, int count) =>
        (BinaryPrimitives.ReadUInt64BigEndian(octets) % (ulong)Math.Pow(10, count)).ToString($"D{count}", CultureInfo.InvariantCulture);
}
