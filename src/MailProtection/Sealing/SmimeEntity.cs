using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using GatewaySecure.MailProtection.Cms;
using GatewaySecure.MailProtection.Mime;

namespace GatewaySecure.MailProtection.Sealing;

/// <summary>
/// What is encrypted: the original Content-* fields and body, octet by octet, with a multipart/signed around them where it is to be signed.
/// Its length is exact before the signature exists; an ECDSA signature that turns out shorter is made up for behind the last boundary,
/// where MIME ignores what stands (RFC 2046 §5.1.1).
/// </summary>
internal sealed class SmimeEntity
{
    private readonly MessageSource _source;
    private readonly SignerProfile? _signer;
    private readonly DateTimeOffset _signingTime;
    private readonly byte[] _preamble = [];
    private readonly byte[] _contentHeader;
    private readonly byte[] _signatureHead = [];
    private readonly byte[] _close = [];
    private readonly int _tailLength;

    /// <summary>What was signed, and the signature: made once, since most signatures differ from one time to the next.</summary>
    private (byte[] Hash, byte[] Tail)? _signed;

    public SmimeEntity(MessageSource source, SignerProfile? signer, DateTimeOffset signingTime)
    {
        _source = source;
        _signer = signer;
        _signingTime = signingTime;
        _contentHeader = ContentHeader(source.Header);
        if (signer is not null)
        {
            // 128 random bits: the content can't hold it but by knowing it.
            var boundary = "gs-" + Convert.ToHexString(RandomNumberGenerator.GetBytes(16));
            _preamble = Encoding.ASCII.GetBytes(
                "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\r\n"
                + $" micalg=sha-256; boundary=\"{boundary}\"\r\n{TransferEncoding(source.Header)}\r\n--{boundary}\r\n");
            _signatureHead = Encoding.ASCII.GetBytes(
                $"\r\n--{boundary}\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\n"
                + "Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=smime.p7s\r\n\r\n");
            _close = Encoding.ASCII.GetBytes($"--{boundary}--\r\n");
            _tailLength = _signatureHead.Length + (int)Base64Lines.EncodedLength(signer.MaximumLength(signingTime)) + _close.Length;
        }
        Length = _preamble.Length + _contentHeader.Length + source.BodyLength + _tailLength;
    }

    public long Length { get; }

    public async ValueTask WriteAsync(Func<ReadOnlyMemory<byte>, ValueTask> sink, CancellationToken cancellationToken)
    {
        if (_signer is null)
        {
            await sink(_contentHeader);
            await _source.ReadBodyAsync(sink, cancellationToken);
            return;
        }
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        await sink(_preamble);
        hash.AppendData(_contentHeader);
        await sink(_contentHeader);
        await _source.ReadBodyAsync(
            block =>
            {
                hash.AppendData(block.Span);
                return sink(block);
            },
            cancellationToken);
        var digest = hash.GetHashAndReset();
        _signed ??= (digest, EncodeTail(_signer.Sign(digest, _signingTime)));
        if (!_signed.Value.Hash.AsSpan().SequenceEqual(digest))
            throw new IOException("The content is not the one that was signed.");
        await sink(_signed.Value.Tail);
    }

    private byte[] EncodeTail(byte[] signature)
    {
        var tail = new byte[_tailLength];
        tail.AsSpan().Fill((byte)' ');
        _signatureHead.CopyTo(tail, 0);
        var at = _signatureHead.Length;
        using (var lines = new Base64Lines())
        {
            at += lines.Append(signature, tail.AsSpan(at));
            at += lines.Finish(tail.AsSpan(at));
        }
        _close.CopyTo(tail, at);
        return tail;
    }

    private static byte[] ContentHeader(HeaderBlock header)
    {
        var output = new ArrayBufferWriter<byte>();
        foreach (var field in header.Fields)
        {
            if (field.IsContent)
                OuterHeader.AppendField(output, field);
        }
        output.Write("\r\n"u8);
        return output.WrittenSpan.ToArray();
    }

    /// <summary>RFC 2045 §6.4: a multipart states the widest encoding of its parts.</summary>
    private static string TransferEncoding(HeaderBlock header) =>
        header.First("Content-Transfer-Encoding")?.Value.ToLowerInvariant() switch
        {
            "8bit" => "Content-Transfer-Encoding: 8bit\r\n",
            "binary" => "Content-Transfer-Encoding: binary\r\n",
            _ => "",
        };
}
