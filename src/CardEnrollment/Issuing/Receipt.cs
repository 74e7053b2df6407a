using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using GatewaySecure.SmartCard;

namespace GatewaySecure.CardEnrollment.Issuing;

/// <summary>What the holder acknowledges with his card: a text to be read, signed by the key that the card made.</summary>
internal static class Receipt
{
    public static string Of(IssuingRecord record, DateTimeOffset now)
    {
        var text = new StringBuilder()
            .Append(CultureInfo.InvariantCulture, $"{record.HolderName} <{record.Order.Holder}> received card {record.Order.Serial} on {now.UtcDateTime:yyyy-MM-dd HH:mm:ss}Z.\n")
            .Append(CultureInfo.InvariantCulture, $"Principal {record.Principal}, record {record.Id}.\n");
        foreach (var certificate in record.Certificates)
            text.Append(CultureInfo.InvariantCulture, $"Certificate ({certificate.Use}): {Convert.ToHexStringLower(SHA256.HashData(certificate.Der.Span))}\n");
        return text.ToString();
    }
}
