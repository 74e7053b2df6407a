namespace GatewaySecure.Smtp.Client;

/// <summary>
/// The octets of one message on their way out. The length is known before the first octet is sent, so that
/// SIZE and BDAT can state it; the content is written in blocks and never held whole.
/// </summary>
public interface IOutgoingContent
{
    /// <summary>Exact number of octets that <see cref="WriteToAsync"/> writes.</summary>
    long Length { get; }

    /// <summary>True where an octet above 127 may occur, so that 8BITMIME matters.</summary>
    bool MayHoldEightBit { get; }

    /// <summary>
    /// Writes every octet: CRLF line ends, no dot-stuffing. If it throws, the client session closes the connection
    /// without the final dot or LAST chunk, so that a half message is never taken for a whole one.
    /// </summary>
    ValueTask WriteToAsync(Stream destination, CancellationToken cancellationToken);
}
