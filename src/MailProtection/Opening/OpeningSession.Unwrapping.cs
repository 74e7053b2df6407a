using System.Buffers;
using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using GatewaySecure.MailProtection.Mime;
using GatewaySecure.MailProtection.Sealing;
using GatewaySecure.Trust;

namespace GatewaySecure.MailProtection.Opening;

/// <summary>What a gateway does with the layers: judges all that it can see into, takes encryption off, and leaves signatures for readers.</summary>
internal sealed partial class OpeningSession
{
    /// <summary>Of a reason, in a header field.</summary>
    private const int LongestReason = 400;

    public async ValueTask<UnwrappedMail> UnwrapAsync(UnwrapOptions options, CancellationToken cancellationToken)
    {
        _leavesEncrypted = !options.Decrypt;
        UnwrappedMail? unwrapped = null;
        try
        {
            return unwrapped = await UnwrapLayersAsync(options, cancellationToken);
        }
        finally
        {
            if (unwrapped?.Content is null)
                ClearKeys();
        }
    }

    private async ValueTask<UnwrappedMail> UnwrapLayersAsync(UnwrapOptions options, CancellationToken cancellationToken)
    {
        OpenOutcome.Refused? refused;
        HeaderBlock? outer = null;
        try
        {
            var part = ProtectedPart.Find(new ContentSource(message));
            if (part is null)
                return new UnwrappedMail(null, "");
            // What stands around it would be lost, or would come to stand beside what it must not meet (EFAIL).
            if (part.IsSurrounded)
                return new UnwrappedMail(SmimeResult.None, "The protected part is inside a larger message and stays as it is.");
            outer = part.MessageHeader;
            refused = await OpenLayersAsync(part, cancellationToken);
        }
        catch (Exception e) when (e is AsnContentException or EndOfStreamException or CryptographicException)
        {
            refused = Refuse(OpenFailure.Damaged, DamagedText);
        }
        var (result, reason) = Conclude(refused);
        var judged = new UnwrappedMail(result, reason) { WasEncrypted = _encrypted, Signer = SignerOf() };
        // A further layer may be for its reader's own card.
        if (refused is { Failure: not OpenFailure.NoKey } || _lastDecrypted is null)
            return judged;
        if (_unauthenticated && SignatureCount == 0 && !options.OpenUnsigned)
        {
            return new UnwrappedMail(SmimeResult.None, "The mail is encrypted in a way that does not show changes (CBC) and is not signed: it stays closed.")
            {
                WasEncrypted = true,
            };
        }
        return judged with { Content = Lay(outer!, _lastDecrypted) };
    }

    private (SmimeResult Result, string Reason) Conclude(OpenOutcome.Refused? refused)
    {
        var reason = _findings.Count == 0 ? refused?.Reason ?? "Encrypted, not signed: who wrote it is not proved."
            : string.Join(' ', _findings.Where(f => !f.IsTrusted).DefaultIfEmpty(_findings[0]).Select(f => f.Verdict.Text));
        if (reason.Length > LongestReason)
            reason = reason[..LongestReason] + "...";
        if (_findings.Any(f => f.IsBroken))
            return (SmimeResult.Fail, reason);
        if (refused is { Failure: not OpenFailure.NoKey })
            return (SmimeResult.PermError, refused.Reason);
        if (_findings.Count == 0)
            return (refused is null ? SmimeResult.Neutral : SmimeResult.None, reason);
        if (IsTrusted)
            return (SmimeResult.Pass, reason);
        if (_findings.Any(f => f.IsUnreadable))
            return (SmimeResult.PermError, reason);
        return (_findings.All(f => f.IsTrusted || f.IsUndecided) ? SmimeResult.TempError : SmimeResult.Policy, reason);
    }

    private UnwrappedSigner? SignerOf() => _findings.FirstOrDefault(f => f.IsTrusted)?.Signer is { } certificate
        ? new UnwrappedSigner(
            CertificateAddresses.Of(certificate).FirstOrDefault(a => a.Equals(_author.From)) ?? CertificateAddresses.Of(certificate).FirstOrDefault(),
            certificate.SerialNumber,
            certificate.Issuer)
        : null;

    /// <summary>
    /// The mail without its encryption: fields of servers from outside, the author's from where they are protected if that is beyond doubt, and the entity
    /// octet by octet.
    /// </summary>
    private UnwrappedContent Lay(HeaderBlock outer, ContentDecryption entity)
    {
        var own = HeaderBlock.TryParse(entity.Peek(MaximumHeader), isWhole: true)!;
        var inside = _payload is { } payload && (IsTrusted || Equals(FromField.Author(payload).From, FromField.Author(outer).From) && _author.From is not null)
            ? payload : outer;
        var header = new ArrayBufferWriter<byte>(4096);
        foreach (var field in outer.Fields.Where(HeaderProtection.IsTrace))
            OuterHeader.AppendField(header, field);
        foreach (var field in inside.Fields.Where(f => !HeaderProtection.IsTrace(f) && HeaderProtection.IsAuthors(f)))
            OuterHeader.AppendField(header, field);
        header.Write("MIME-Version: 1.0\r\n"u8);
        foreach (var field in own.Fields.Where(f => f.IsContent))
            OuterHeader.AppendField(header, field.Is("Content-Type") ? WithoutProtectionMark(field) : field);
        header.Write("\r\n"u8);
        var measured = Measurement.Take(entity, 0, 0, [], canonical: false);
        return new UnwrappedContent(header.WrittenMemory, entity, own.BodyOffset, measured.Length - own.BodyOffset, ClearKeys);
    }

    /// <summary>RFC 9788 §2.1.1: the parameter says that an encryption is around it, which is so no more.</summary>
    private static HeaderField WithoutProtectionMark(HeaderField field) =>
        new(field.Name, Encoding.Latin1.GetBytes(ProtectionMark().Replace(Encoding.Latin1.GetString(field.Raw.Span), "")));

    [GeneratedRegex(@";\s*hp\s*=\s*""?(cipher|clear)""?(?=\s*(;|$))", RegexOptions.IgnoreCase)]
    private static partial Regex ProtectionMark();

    private void ClearKeys()
    {
        foreach (var decryption in _decryptions)
            decryption.ClearKey();
    }
}

/// <summary>A header, and behind it the decrypted body; each reading decrypts anew.</summary>
internal sealed class UnwrappedContent(ReadOnlyMemory<byte> header, OctetSource entity, long bodyOffset, long bodyLength, Action clear) : IMailContent, IDisposable
{
    public long Length => header.Length + bodyLength;

    public Stream OpenRead() => new Reader(header, entity.Slice(bodyOffset, bodyLength).OpenRead());

    public void Dispose() => clear();

    private sealed class Reader(ReadOnlyMemory<byte> header, Stream body) : ForwardStream
    {
        private int _at;

        public override int Read(Span<byte> buffer)
        {
            if (_at == header.Length)
                return body.Read(buffer);
            var count = Math.Min(buffer.Length, header.Length - _at);
            header.Span.Slice(_at, count).CopyTo(buffer);
            _at += count;
            return count;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                body.Dispose();
            base.Dispose(disposing);
        }
    }
}
