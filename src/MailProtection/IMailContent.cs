namespace GatewaySecure.MailProtection;

/// <summary>A whole message at rest (header, empty line, body; CRLF line ends) that can be read more than once.</summary>
public interface IMailContent
{
    /// <summary>In octets.</summary>
    long Length { get; }

    /// <summary>From the first octet. Concurrent readers are independent. The caller disposes it.</summary>
    Stream OpenRead();
}
