using GatewaySecure.MailAuthentication;

namespace GatewaySecure.Gateway.Receiving;

/// <summary>Takes fields out of a header that only the inside may write. What stays, stays octet for octet.</summary>
internal static class HeaderFirewall
{
    /// <param name="header">Up to and with the empty line, where there is one.</param>
    /// <returns>The same octets, where no field has to go.</returns>
    public static ReadOnlyMemory<byte> Clean(ReadOnlyMemory<byte> header, Func<MessageField, bool> mustGo)
    {
        var fields = MessageFields.Parse(header);
        if (!fields.Any(mustGo))
            return header;
        var end = header[fields.Sum(f => f.Raw.Length)..];
        var clean = new MemoryStream(header.Length);
        foreach (var field in fields.Where(f => !mustGo(f)))
            clean.Write(field.Raw.Span);
        clean.Write(end.Span);
        return clean.ToArray();
    }
}
