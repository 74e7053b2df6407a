using System.Buffers;
using System.Security.Cryptography;

namespace GatewaySecure.MailAuthentication.Dkim;

/// <summary>SHA-256 of a body as DKIM reads it (RFC 6376 §3.4.3, §3.4.4, §3.7), while it passes in pieces of any size.</summary>
internal sealed class BodyHash(Canonicalisation way, long? limit) : IDisposable
{
    private static readonly SearchValues<byte> SpaceOrEnd = SearchValues.Create(" \t\r"u8);

    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly byte[] _output = new byte[16 * 1024];
    private int _filled;
    private bool _sawReturn;
    private bool _sawSpace;

    /// <summary>Line ends that count only if something follows.</summary>
    private long _lineEnds;
    private byte[]? _result;

    public Canonicalisation Way => way;

    /// <summary>l=: only so many octets are signed; null: all.</summary>
    public long? Limit => limit;

    /// <summary>Octets of the canonical body, signed or not.</summary>
    public long Length { get; private set; }

    public void Append(ReadOnlySpan<byte> octets)
    {
        while (!octets.IsEmpty)
        {
            if (_sawReturn)
            {
                _sawReturn = false;
                if (octets[0] == '\n')
                {
                    (_lineEnds, _sawSpace) = (_lineEnds + 1, false);
                    octets = octets[1..];
                    continue;
                }
                PutText("\r"u8);
            }
            var special = way == Canonicalisation.Simple ? octets.IndexOf((byte)'\r') : octets.IndexOfAny(SpaceOrEnd);
            if (special != 0)
            {
                PutText(special < 0 ? octets : octets[..special]);
                octets = special < 0 ? [] : octets[special..];
                continue;
            }
            _sawReturn = octets[0] == '\r';
            _sawSpace |= !_sawReturn;
            octets = octets[1..];
        }
    }

    /// <summary>Of everything that was appended; may be asked for again.</summary>
    public byte[] Finish()
    {
        if (_result is not null)
            return _result;
        if (_sawReturn)
            PutText("\r"u8);
        // A body ends in one line end; an empty one is nothing where it is relaxed, else an empty line.
        if (way == Canonicalisation.Simple || Length + _filled > 0)
            Put("\r\n"u8);
        Drain();
        return _result = _hash.GetHashAndReset();
    }

    public void Dispose() => _hash.Dispose();

    private void PutText(ReadOnlySpan<byte> text)
    {
        for (; _lineEnds > 0; _lineEnds--)
            Put("\r\n"u8);
        if (_sawSpace)
            Put(" "u8);
        _sawSpace = false;
        Put(text);
    }

    private void Put(ReadOnlySpan<byte> octets)
    {
        while (!octets.IsEmpty)
        {
            if (_filled == _output.Length)
                Drain();
            var take = Math.Min(octets.Length, _output.Length - _filled);
            octets[..take].CopyTo(_output.AsSpan(_filled));
            _filled += take;
            octets = octets[take..];
        }
    }

    private void Drain()
    {
        var signed = limit is { } most ? (int)Math.Clamp(most - Length, 0, _filled) : _filled;
        _hash.AppendData(_output, 0, signed);
        Length += _filled;
        _filled = 0;
    }
}
