namespace GatewaySecure.MailAuthentication;

/// <summary>Keeps the header of a message that passes in pieces of any size; what is over goes on to whoever reads the body.</summary>
public sealed class HeaderBuffer
{
    /// <summary>In octets; a longer header counts as none, and the rest as body.</summary>
    private const int Maximum = 1024 * 1024;

    private byte[] _octets = new byte[4096];
    private int _length;

    /// <summary>The empty line was seen, or the header is too long.</summary>
    public bool IsComplete { get; private set; }

    /// <summary>Up to and with the empty line, where it has come.</summary>
    public ReadOnlyMemory<byte> Octets => _length > Maximum ? default : _octets.AsMemory(0, _length);

    /// <summary>The header of a message that is at rest.</summary>
    /// <param name="message">Is read as far as the header goes, and closed.</param>
    /// <exception cref="IOException">It could not be read.</exception>
    public static async ValueTask<ReadOnlyMemory<byte>> ReadAsync(Stream message, CancellationToken cancellationToken)
    {
        await using var _ = message;
        var header = new HeaderBuffer();
        var piece = new byte[16 * 1024];
        int length;
        while (!header.IsComplete && (length = await message.ReadAsync(piece, cancellationToken)) > 0)
            header.Take(piece.AsSpan(0, length));
        return header.Octets;
    }

    /// <summary>What of the piece is body.</summary>
    public ReadOnlySpan<byte> Take(ReadOnlySpan<byte> piece)
    {
        if (IsComplete)
            return piece;
        var before = _length;
        // One more than allowed tells that it is too long.
        var take = Math.Min(piece.Length, Maximum + 1 - _length);
        if (_length + take > _octets.Length)
            Array.Resize(ref _octets, Math.Max(_octets.Length * 2, _length + take));
        piece[..take].CopyTo(_octets.AsSpan(_length));
        _length += take;
        // The empty line may begin in the piece before.
        var from = Math.Max(0, before - 3);
        var end = _length >= 2 && _octets.AsSpan(0, 2).SequenceEqual("\r\n"u8)
            ? 2
            : _octets.AsSpan(from, _length - from).IndexOf("\r\n\r\n"u8) is >= 0 and var at ? from + at + 4 : 0;
        IsComplete = end > 0 || _length > Maximum;
        if (end == 0)
            return IsComplete ? piece[take..] : [];
        _length = end;
        return piece[(end - before)..];
    }
}
