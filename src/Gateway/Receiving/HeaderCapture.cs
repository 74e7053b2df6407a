namespace GatewaySecure.Gateway.Receiving;

/// <summary>Keeps a copy of a message's header block, up to its empty line, while the message passes in pieces of any size.</summary>
internal sealed class HeaderCapture
{
    /// <summary>In octets. Longer headers are refused: rules have to see all of it.</summary>
    public const int Maximum = 256 * 1024;

    private byte[] _octets = new byte[4096];
    private int _length;

    /// <summary>The empty line was seen; nothing more is taken.</summary>
    public bool IsComplete { get; private set; }

    public bool IsTooLarge { get; private set; }

    /// <summary>Octets of memory that it takes.</summary>
    public int Capacity => _octets.Length;

    /// <summary>What was seen of the header; where no empty line came, all of the message.</summary>
    public ReadOnlySpan<byte> Octets => Memory.Span;

    /// <inheritdoc cref="Octets" />
    public ReadOnlyMemory<byte> Memory => _octets.AsMemory(0, _length);

    public void Add(ReadOnlySpan<byte> piece)
    {
        if (IsComplete || IsTooLarge)
            return;
        // The empty line may begin in the piece before.
        var from = Math.Max(0, _length - 3);
        var take = Math.Min(piece.Length, Maximum + 4 - _length);
        if (_length + take > _octets.Length)
            Array.Resize(ref _octets, Math.Max(_octets.Length * 2, _length + take));
        piece[..take].CopyTo(_octets.AsSpan(_length));
        _length += take;
        var startsEmpty = _length >= 2 && _octets.AsSpan(0, 2).SequenceEqual("\r\n"u8);
        var end = startsEmpty ? 0 : _octets.AsSpan(from, _length - from).IndexOf("\r\n\r\n"u8);
        if (end >= 0)
        {
            _length = startsEmpty ? 2 : from + end + 4;
            IsComplete = true;
        }
        IsTooLarge = _length > Maximum;
    }
}
