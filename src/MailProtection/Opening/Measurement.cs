using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace GatewaySecure.MailProtection.Opening;

/// <summary>
/// One reading of an entity from its first to its last octet: its SHA-256, and digests of a part of it. Reading to the end is what
/// checks a tag or padding; comparing the SHA-256 when it is written later shows that it is still the same.
/// </summary>
/// <param name="Length">In octets.</param>
internal sealed record Measurement(long Length, byte[] WholeSha256, IReadOnlyDictionary<HashAlgorithmName, byte[]> PartDigests)
{
    [SuppressMessage("Security", "CA5350", Justification = "SHA-1 is verified in old mail, with a warning; never produced.")]
    public static Measurement Take(OctetSource source, long partStart, long partEnd, IEnumerable<HashAlgorithmName> algorithms, bool canonical)
    {
        using var whole = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var parts = algorithms.Distinct().ToDictionary(name => name, IncrementalHash.CreateHash);
        var lines = new byte[2 * 16 * 1024];
        var last = (byte)0;
        long at = 0;
        try
        {
            using var stream = source.OpenRead();
            var buffer = new byte[16 * 1024];
            int read;
            while ((read = stream.Read(buffer)) > 0)
            {
                var block = buffer.AsSpan(0, read);
                whole.AppendData(block);
                var from = (int)Math.Clamp(partStart - at, 0, read);
                var to = (int)Math.Clamp(partEnd - at, from, read);
                at += read;
                ReadOnlySpan<byte> part = block[from..to];
                if (canonical)
                    part = lines.AsSpan(0, Canonicalize(part, lines, ref last));
                foreach (var digest in parts.Values)
                    digest.AppendData(part);
            }
            return new Measurement(at, whole.GetHashAndReset(), parts.ToDictionary(p => p.Key, p => p.Value.GetHashAndReset()));
        }
        finally
        {
            foreach (var digest in parts.Values)
                digest.Dispose();
        }
    }

    /// <summary>RFC 8551 §3.1.1: lines end in CRLF when they are signed, whatever a program made of them in its store.</summary>
    private static int Canonicalize(ReadOnlySpan<byte> input, byte[] output, ref byte last)
    {
        var written = 0;
        foreach (var octet in input)
        {
            if (octet == '\n' && last != '\r')
                output[written++] = (byte)'\r';
            output[written++] = octet;
            last = octet;
        }
        return written;
    }
}
