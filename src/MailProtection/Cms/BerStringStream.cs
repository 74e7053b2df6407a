using System.Formats.Asn1;
using GatewaySecure.MailProtection.Opening;

namespace GatewaySecure.MailProtection.Cms;

/// <summary>
/// The octets of an OCTET STRING, primitive or in pieces of any nesting, read from a <see cref="BerStream"/> that stands at its first identifier octet. After
/// the last octet the <see cref="BerStream"/> stands behind it.
/// </summary>
/// <param name="ber">Where it is read from.</param>
/// <param name="owns">Disposes it, too.</param>
internal sealed class BerStringStream(BerStream ber, bool owns) : ForwardStream
{
    private const int MaximumNesting = 16;

    private readonly Stack<BerHeader> _containers = new();
    private long _left;
    private bool _started;
    private bool _ended;

    public override int Read(Span<byte> buffer)
    {
        if (buffer.IsEmpty || !MoveToOctets())
            return 0;
        var read = ber.ReadContent(buffer[..(int)Math.Min(buffer.Length, _left)]);
        _left -= read;
        return read;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && owns)
            ber.Dispose();
        base.Dispose(disposing);
    }

    private bool MoveToOctets()
    {
        while (_left == 0)
        {
            if (_ended)
                return false;
            while (_containers.Count > 0 && ber.AtEnd(_containers.Peek()))
                _containers.Pop();
            if (_started && _containers.Count == 0)
            {
                _ended = true;
                return false;
            }
            var header = ber.ReadHeader();
            if (_started && (header.Identifier & 0xDF) != 0x04)
                throw new AsnContentException("A string holds something else.");
            _started = true;
            if (!header.IsConstructed)
                _left = header.Length;
            else if (_containers.Count < MaximumNesting)
                _containers.Push(header);
            else
                throw new AsnContentException("Nested too deeply.");
        }
        return true;
    }
}
