using System.Buffers;
using System.Buffers.Text;
using System.Security.Cryptography;
using GatewaySecure.MailProtection.Cms;

namespace GatewaySecure.MailProtection.Sealing;

/// <summary>
/// Octets in, base64 in lines of 76 with CRLF out (RFC 2045 §6.8). Codes long contiguous runs and then cuts them into lines,
/// which is several times faster than line by line.
/// </summary>
internal sealed class Base64Lines : IDisposable
{
    private const int LineOctets = 57;
    private const int LineCharacters = 76;
    private const int RunOctets = 160 * LineOctets;

    private readonly byte[] _run = ArrayPool<byte>.Shared.Rent(RunOctets / 3 * 4);
    private readonly byte[] _carry = new byte[LineOctets];
    private int _carried;

    /// <summary>Exact length of the output for so many octets.</summary>
    public static long EncodedLength(long octets)
    {
        var characters = (octets + 2) / 3 * 4;
        return characters + (characters + LineCharacters - 1) / LineCharacters * 2;
    }

    /// <summary>Room that one call needs at most.</summary>
    public static int RoomFor(int octets) => (octets / LineOctets + 2) * (LineCharacters + 2);

    /// <returns>Octets written.</returns>
    public int Append(ReadOnlySpan<byte> input, Span<byte> output)
    {
        var written = 0;
        if (_carried > 0)
        {
            var take = Math.Min(LineOctets - _carried, input.Length);
            input[..take].CopyTo(_carry.AsSpan(_carried));
            _carried += take;
            input = input[take..];
            if (_carried < LineOctets)
                return 0;
            written = EncodeLines(_carry, output);
            _carried = 0;
        }
        while (input.Length >= LineOctets)
        {
            var take = Math.Min(RunOctets, input.Length - input.Length % LineOctets);
            written += EncodeLines(input[..take], output[written..]);
            input = input[take..];
        }
        input.CopyTo(_carry);
        _carried = input.Length;
        return written;
    }

    public int Finish(Span<byte> output) => _carried == 0 ? 0 : EncodeLines(_carry.AsSpan(0, _carried), output);

    public void Dispose() => ArrayPool<byte>.Shared.Return(_run);

    private int EncodeLines(ReadOnlySpan<byte> octets, Span<byte> output)
    {
        Base64.EncodeToUtf8(octets, _run, out _, out var characters);
        var line = _run.AsSpan(0, characters);
        var written = 0;
        while (line.Length > 0)
        {
            var take = Math.Min(LineCharacters, line.Length);
            line[..take].CopyTo(output[written..]);
            output[written + take] = (byte)'\r';
            output[written + take + 1] = (byte)'\n';
            written += take + 2;
            line = line[take..];
        }
        return written;
    }
}

/// <summary>
/// EnvelopedData (AES-256-CBC) or AuthEnvelopedData (AES-256-GCM) around content of a length known beforehand: definite-length DER,
/// in base64, in one pass, of an exact length known before the first octet.
/// </summary>
/// <param name="Gcm">AuthEnvelopedData, RFC 5083; else EnvelopedData, RFC 5652 §6.</param>
/// <param name="RecipientInfos">DER of the SET.</param>
/// <param name="Version">CMSVersion: 0 or 2 (RFC 5652 §6.1).</param>
/// <param name="PlainLength">Octets of the content.</param>
internal sealed record Envelope(bool Gcm, byte[] RecipientInfos, int Version, long PlainLength)
{
    private const int ContentKeyLength = 32;

    private static readonly byte[] ObjectIdentifierOfData = Der(w => w.WriteObjectIdentifier(Oids.Data));

    /// <summary>One for each message: written again, it is the same message.</summary>
    private readonly byte[] _nonce = RandomNumberGenerator.GetBytes(Gcm ? ContentCipher.NonceLength : ContentCipher.BlockLength);

    private long CipherLength => Gcm ? PlainLength : ContentCipher.PaddedLength(PlainLength);

    /// <summary>Octets of the base64 text.</summary>
    public long ArmoredLength => Base64Lines.EncodedLength(MeasureCms());

    public static byte[] NewContentKey() => RandomNumberGenerator.GetBytes(ContentKeyLength);

    /// <param name="contentKey">AES-256, the same at every call.</param>
    /// <param name="writeContent">Hands the content over in blocks, the same octets at every call: they meet the same nonce.</param>
    /// <exception cref="IOException">The content was not as long as it was said to be.</exception>
    public async ValueTask WriteAsync(
        byte[] contentKey,
        Func<Func<ReadOnlyMemory<byte>, ValueTask>, ValueTask> writeContent,
        Stream destination,
        CancellationToken cancellationToken)
    {
        using ContentCipher cipher = Gcm ? new GcmCipher(contentKey, _nonce) : new CbcEncryption(contentKey, _nonce);
        using var pump = new Pump(cipher, destination, cancellationToken);
        await pump.WriteDerAsync(EncodePrefix());
        await writeContent(pump.WriteContentAsync);
        if (pump.ContentLength != PlainLength)
            throw new IOException("The content is not as long as it was when it was measured.");
        await pump.FinishAsync(cipher as GcmCipher);
    }

    private long MeasureCms()
    {
        return EncodePrefix().Length + CipherLength + (Gcm ? 2 + ContentCipher.TagLength : 0);
    }

    /// <summary>Everything before the ciphertext. All lengths are computed from the inside out.</summary>
    private byte[] EncodePrefix()
    {
        var algorithm = Der(writer =>
        {
            using (writer.PushSequence())
            {
                writer.WriteObjectIdentifier(Gcm ? Oids.Aes256Gcm : Oids.Aes256Cbc);
                if (!Gcm)
                {
                    writer.WriteOctetString(_nonce);
                    return;
                }
                // GCMParameters, RFC 5084 §3.2; 16 differs from the default of 12 and is written.
                using (writer.PushSequence())
                {
                    writer.WriteOctetString(_nonce);
                    writer.WriteInteger(ContentCipher.TagLength);
                }
            }
        });
        var type = Der(w => w.WriteObjectIdentifier(Gcm ? Oids.AuthEnvelopedData : Oids.EnvelopedData));
        var version = Der(w => w.WriteInteger(Version));
        var contentInfo = ObjectIdentifierOfData.Length + algorithm.Length + CmsWriter.TotalLength(CipherLength);
        var enveloped = version.Length + RecipientInfos.Length + CmsWriter.TotalLength(contentInfo) + (Gcm ? 2 + ContentCipher.TagLength : 0);
        var outer = CmsWriter.TotalLength(enveloped);

        var prefix = new MemoryStream(RecipientInfos.Length + 256);
        CmsWriter.WriteHeader(prefix, 0x30, type.Length + CmsWriter.TotalLength(outer));
        prefix.Write(type);
        CmsWriter.WriteHeader(prefix, 0xA0, outer);
        CmsWriter.WriteHeader(prefix, 0x30, enveloped);
        prefix.Write(version);
        prefix.Write(RecipientInfos);
        CmsWriter.WriteHeader(prefix, 0x30, contentInfo);
        prefix.Write(ObjectIdentifierOfData);
        prefix.Write(algorithm);
        CmsWriter.WriteHeader(prefix, 0x80, CipherLength);
        return prefix.ToArray();
    }

    private static byte[] Der(Action<System.Formats.Asn1.AsnWriter> write)
    {
        var writer = new System.Formats.Asn1.AsnWriter(System.Formats.Asn1.AsnEncodingRules.DER);
        write(writer);
        return writer.Encode();
    }

    /// <summary>Content → cipher → base64 → destination, in pooled blocks.</summary>
    private sealed class Pump(ContentCipher cipher, Stream destination, CancellationToken cancellationToken) : IDisposable
    {
        private const int Step = 24 * 1024;

        private readonly Base64Lines _lines = new();
        private readonly byte[] _encrypted = ArrayPool<byte>.Shared.Rent(Step + 2 * ContentCipher.BlockLength);
        private readonly byte[] _text = ArrayPool<byte>.Shared.Rent(64 * 1024);
        private int _filled;

        public long ContentLength { get; private set; }

        public async ValueTask WriteDerAsync(ReadOnlyMemory<byte> der)
        {
            while (!der.IsEmpty)
            {
                var take = Math.Min(Step, der.Length);
                await MakeRoomAsync(take);
                _filled += _lines.Append(der.Span[..take], _text.AsSpan(_filled));
                der = der[take..];
            }
        }

        public async ValueTask WriteContentAsync(ReadOnlyMemory<byte> content)
        {
            ContentLength += content.Length;
            while (!content.IsEmpty)
            {
                var take = Math.Min(Step, content.Length);
                var encrypted = cipher.Update(content.Span[..take], _encrypted);
                await MakeRoomAsync(encrypted);
                _filled += _lines.Append(_encrypted.AsSpan(0, encrypted), _text.AsSpan(_filled));
                content = content[take..];
            }
        }

        public async ValueTask FinishAsync(GcmCipher? gcm)
        {
            var encrypted = cipher.Finish(_encrypted);
            await WriteDerAsync(_encrypted.AsMemory(0, encrypted));
            if (gcm is not null)
                await WriteDerAsync((byte[])[0x04, ContentCipher.TagLength, .. gcm.Tag]);
            await MakeRoomAsync(0);
            _filled += _lines.Finish(_text.AsSpan(_filled));
            await destination.WriteAsync(_text.AsMemory(0, _filled), cancellationToken);
        }

        public void Dispose()
        {
            _lines.Dispose();
            ArrayPool<byte>.Shared.Return(_encrypted);
            ArrayPool<byte>.Shared.Return(_text);
        }

        private async ValueTask MakeRoomAsync(int octets)
        {
            if (_filled + Base64Lines.RoomFor(octets) <= _text.Length)
                return;
            await destination.WriteAsync(_text.AsMemory(0, _filled), cancellationToken);
            _filled = 0;
        }
    }
}
