using System.Formats.Asn1;

namespace GatewaySecure.MailProtection.Cms;

/// <summary>Identifier and length of one element; <see cref="Length"/> is -1 for indefinite. <see cref="End"/> likewise.</summary>
internal readonly record struct BerHeader(byte Identifier, long Length, long End)
{
    public bool IsConstructed => (Identifier & 0x20) != 0;
}

/// <summary>
/// Walks BER (X.690 §8) forwards in a stream: definite and indefinite lengths, strings in pieces. Small elements are handed out whole to be parsed
/// in memory; the one large string of a CMS object is read as a stream. Anything wrong is an <see cref="AsnContentException"/>.
/// </summary>
internal sealed class BerStream(Stream stream) : IDisposable
{
    /// <summary>Recipients, certificates and CRLs together stay far below.</summary>
    private const int MaximumElement = 16 * 1024 * 1024;

    private const int MaximumNesting = 32;

    private readonly byte[] _buffer = new byte[16 * 1024];
    private int _at;
    private int _filled;

    public long Position { get; private set; }

    public void Dispose() => stream.Dispose();

    /// <summary>True where the element is used up; passes its end-of-contents octets.</summary>
    public bool AtEnd(BerHeader container)
    {
        if (container.Length >= 0)
        {
            if (Position > container.End)
                throw new AsnContentException("An element reaches past its container.");
            return Position == container.End;
        }
        if (PeekByte() != 0)
            return false;
        ReadByte();
        if (ReadByte() != 0)
            throw new AsnContentException("Malformed end of contents.");
        return true;
    }

    public byte PeekByte()
    {
        Fill();
        return _buffer[_at];
    }

    public BerHeader ReadHeader() => ReadHeader(null);

    public BerHeader ReadHeader(byte expected)
    {
        var header = ReadHeader();
        return header.Identifier == expected ? header : throw new AsnContentException("Unexpected element.");
    }

    /// <summary>One element with everything in it.</summary>
    public byte[] ReadElement()
    {
        var copy = new MemoryStream();
        CopyElement(copy, 0);
        return copy.ToArray();
    }

    public int ReadContent(Span<byte> destination)
    {
        Fill();
        var take = Math.Min(destination.Length, _filled - _at);
        _buffer.AsSpan(_at, take).CopyTo(destination);
        _at += take;
        Position += take;
        return take;
    }

    public void Skip(long count)
    {
        while (count > 0)
        {
            Fill();
            var take = (int)Math.Min(count, _filled - _at);
            _at += take;
            Position += take;
            count -= take;
        }
    }

    private void CopyElement(MemoryStream copy, int nesting)
    {
        if (nesting > MaximumNesting)
            throw new AsnContentException("Nested too deeply.");
        var header = ReadHeader(copy);
        if (header.Length >= 0)
        {
            if (header.Length > MaximumElement - copy.Length)
                throw new AsnContentException("An element is too large.");
            var content = new byte[8192];
            for (var left = header.Length; left > 0;)
            {
                var read = ReadContent(content.AsSpan(0, (int)Math.Min(content.Length, left)));
                copy.Write(content, 0, read);
                left -= read;
            }
            return;
        }
        while (!AtEnd(header))
        {
            CopyElement(copy, nesting + 1);
            if (copy.Length > MaximumElement)
                throw new AsnContentException("An element is too large.");
        }
        copy.Write([0, 0]);
    }

    private BerHeader ReadHeader(MemoryStream? copy)
    {
        byte Take()
        {
            var octet = ReadByte();
            copy?.WriteByte(octet);
            return octet;
        }

        var identifier = Take();
        if ((identifier & 0x1F) == 0x1F)
            throw new AsnContentException("CMS has no tags above 30.");
        var first = Take();
        if (first < 0x80)
            return new BerHeader(identifier, first, Position + first);
        if (first == 0x80)
        {
            if ((identifier & 0x20) == 0)
                throw new AsnContentException("A primitive element has no definite length.");
            return new BerHeader(identifier, -1, -1);
        }
        var octets = first & 0x7F;
        long length = 0;
        for (var i = 0; i < octets; i++)
        {
            if (length >> 47 != 0)
                throw new AsnContentException("A length is out of range.");
            length = (length << 8) | Take();
        }
        return new BerHeader(identifier, length, Position + length);
    }

    private byte ReadByte()
    {
        Fill();
        Position++;
        return _buffer[_at++];
    }

    private void Fill()
    {
        if (_at < _filled)
            return;
        _at = 0;
        _filled = stream.Read(_buffer, 0, _buffer.Length);
        if (_filled <= 0)
        {
            _filled = 0;
            throw new AsnContentException("It ends too early.");
        }
    }
}
