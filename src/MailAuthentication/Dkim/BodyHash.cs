using System.Security.Cryptography;
using MimeKit.Cryptography;
using MimeKit.IO.Filters;

namespace GatewaySecure.MailAuthentication.Dkim;

/// <summary>SHA-256 of a body as DKIM reads it (RFC 6376 §3.4.3, §3.4.4, §3.7), while it passes in pieces of any size.</summary>
internal sealed class BodyHash(Canonicalisation way, long? limit) : IDisposable
{
    private const int Step = 32 * 1024;

    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly MimeFilterBase _filter = way == Canonicalisation.Relaxed ? new DkimRelaxedBodyFilter() : new DkimSimpleBodyFilter();
    private readonly byte[] _step = new byte[Step];
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
            var take = Math.Min(Step, octets.Length);
            octets[..take].CopyTo(_step);
            Take(_filter.Filter(_step, 0, take, out var index, out var length), index, length);
            octets = octets[take..];
        }
    }

    /// <summary>Of everything that was appended; may be asked for again.</summary>
    public byte[] Finish()
    {
        if (_result is not null)
            return _result;
        Take(_filter.Flush(_step, 0, 0, out var index, out var length), index, length);
        return _result = _hash.GetHashAndReset();
    }

    public void Dispose() => _hash.Dispose();

    private void Take(byte[] output, int index, int length)
    {
        var signed = limit is { } most ? (int)Math.Clamp(most - Length, 0, length) : length;
        _hash.AppendData(output, index, signed);
        Length += length;
    }
}
