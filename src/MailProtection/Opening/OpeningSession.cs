using System.Buffers;
using System.Collections.Immutable;
using System.Formats.Asn1;
using System.Security.Cryptography;
using GatewaySecure.Addresses;
using GatewaySecure.KdcCore;
using GatewaySecure.MailProtection.Cms;
using GatewaySecure.MailProtection.Mime;
using GatewaySecure.MailProtection.Sealing;

namespace GatewaySecure.MailProtection.Opening;

/// <summary>One mail being opened: takes off layer after layer, verifies each, and only then writes.</summary>
internal sealed partial class OpeningSession(IMailContent message, OpeningKeys keys, TimeProvider time)
{
    /// <summary>The same for a wrong key, a wrong padding and a wrong tag: it must not tell which (RFC 5652 §14, RFC 3218).</summary>
    public const string DamagedText = "The mail can't be decrypted: it was damaged or changed on its way, or it was made for another key.";

    private const int MaximumLayers = 6;
    private const int MaximumHeader = 1024 * 1024;

    private readonly List<Verdict> _verdicts = [];
    private readonly List<SignatureFinding> _findings = [];
    private readonly List<ContentDecryption> _decryptions = [];
    private MailAuthor _author = new(null, null);
    private HeaderBlock _outer = HeaderBlock.TryParse(ReadOnlyMemory<byte>.Empty, isWhole: true)!;
    private HeaderBlock? _payload;
    private OctetSource? _entity;
    private ContentDecryption? _lastDecrypted;
    private KdcOpening? _kdc;
    private bool _encrypted;
    private bool _unauthenticated;
    private bool _entityIsMessage;
    private bool _leavesEncrypted;

    private int SignatureCount => _findings.Count;

    private bool IsTrusted => _findings.Count > 0 && _findings.All(f => f.IsTrusted);

    public async ValueTask<OpenOutcome> RunAsync(Stream output, CancellationToken cancellationToken)
    {
        try
        {
            return await OpenAndWriteAsync(output, cancellationToken);
        }
        finally
        {
            ClearKeys();
        }
    }

    private async ValueTask<OpenOutcome> OpenAndWriteAsync(Stream output, CancellationToken cancellationToken)
    {
        OpenOutcome.Refused? refused;
        try
        {
            refused = await OpenLayersAsync(ProtectedPart.Find(new ContentSource(message)), cancellationToken);
        }
        catch (Exception e) when (e is AsnContentException or EndOfStreamException || e is CryptographicException and not MasterKeyFault)
        {
            refused = Refuse(OpenFailure.Damaged, DamagedText);
        }
        if (refused is not null)
            return refused;
        Measurement measured;
        try
        {
            measured = Measurement.Take(_entity!, 0, 0, [], canonical: false);
        }
        catch (Exception e) when (e is AsnContentException or EndOfStreamException or CryptographicException)
        {
            return Refuse(OpenFailure.Damaged, DamagedText);
        }
        await EmitAsync(measured, output, cancellationToken);
        return new OpenOutcome.Opened(new OpenedMail
        {
            Method = _kdc is null ? "ca" : "kdc",
            WasEncrypted = _encrypted,
            SignatureTrusted = IsTrusted,
            Verdicts = [.. _verdicts],
            Sender = _kdc is { Context: { Evidence: not Evidence.Outside } context } ? context.Sender.Address
                : IsTrusted ? _author.From : null,
            IssuedAt = _kdc?.Context!.IssuedAt,
            TicketId = _kdc?.Context!.Id,
        });
    }

    /// <summary>Null where every layer was opened and verified and <see cref="_entity"/> is what to write.</summary>
    /// <param name="part">The outermost; null: nothing is protected.</param>
    private async ValueTask<OpenOutcome.Refused?> OpenLayersAsync(ProtectedPart? part, CancellationToken cancellationToken)
    {
        if (part is null)
            return Refuse(OpenFailure.NotProtected, "Nothing in this mail is encrypted or signed.");
        _outer = part.MessageHeader;
        _author = FromField.Author(_outer);
        if (part.IsSurrounded)
        {
            _verdicts.Add(new(
                VerdictLevel.Warning,
                "The protected part was inside a larger message. What stood around it is not protected and was left out."));
        }
        _entity = part.Entity;
        for (var layer = 0; part is not null; layer++)
        {
            if (layer == MaximumLayers)
                return Refuse(OpenFailure.Unsupported, "The mail is wrapped in too many layers.");
            var kdcBefore = _kdc;
            var refused = part.Kind switch
            {
                ProtectedKind.Enveloped => await DecryptAsync(part, cancellationToken),
                ProtectedKind.SignedOpaque => VerifyOpaque(part),
                _ => VerifyClear(part),
            };
            if (refused is not null)
                return refused;
            if (part.Kind == ProtectedKind.SignedClear)
            {
                // A message signed in clear, with nothing taken off, is written as it is: its own header stands in it.
                _entityIsMessage |= layer == 0 && ReferenceEquals(part.Node.Header, _outer);
                break;
            }
            var tookOffKdc = _kdc is not null && kdcBefore is null;
            part = NextLayer(tookOffKdc);
        }
        if (_unauthenticated && SignatureCount == 0)
        {
            _verdicts.Add(new(
                VerdictLevel.Warning,
                "The mail is encrypted in a way that does not show changes (CBC) and carries no signature: who wrote it, and what, is not proved."));
        }
        else if (_kdc is null && SignatureCount == 0)
        {
            _verdicts.Add(new(VerdictLevel.Warning, "The mail is encrypted but not signed: who wrote it is not proved."));
        }
        return null;
    }

    /// <summary>What the entity that came out is; its header takes over where it is protected itself (RFC 9788 §4).</summary>
    private ProtectedPart? NextLayer(bool tookOffKdc)
    {
        MimeNode root;
        using (var stream = _entity!.OpenRead())
            root = MimeScanner.Scan(stream);
        if (root.Header.Fields.Count == 0 && !root.Header.EndsInEmptyLine)
            throw new CryptographicException("What came out is no MIME entity.");
        _entityIsMessage = tookOffKdc || root.Type["hp"] is not null;
        if (_entityIsMessage)
        {
            // Inside, the author's own header stands: it counts for signatures, too.
            var inside = FromField.Author(root.Header);
            // RFC 9788 §4.4: without a signature anybody may have written the inner From.
            if (!tookOffKdc && (inside.From is null || !inside.From.Equals(_author.From)))
                _verdicts.Add(new(VerdictLevel.Bad, "Inside, the mail names another sender than outside, and nothing proves either."));
            _outer = _payload = root.Header;
            _author = inside;
        }
        return ProtectedPart.AtRoot(_entity, root);
    }

    private async ValueTask<OpenOutcome.Refused?> DecryptAsync(ProtectedPart part, CancellationToken cancellationToken)
    {
        _encrypted = true;
        if (_leavesEncrypted)
            return Refuse(OpenFailure.NoKey, "The mail is encrypted, and its rule leaves that to its reader.");
        var cms = CmsObject.Read(part.Cms);
        // Not authenticated by anything, so only the one value that mail has is taken.
        if (cms.ContentType != Oids.Data)
            return Refuse(OpenFailure.Damaged, DamagedText);
        var tickets = _kdc is null ? RecipientKeys.KekRecipients(cms) : [];
        if (tickets.Count > 0 && keys.Card is { } card)
        {
            var opening = await MasterKeyFault.GuardAsync(() => KdcOpening.UnwrapAsync(cms, tickets, card, cancellationToken));
            if (opening.Entity is not null)
            {
                _decryptions.Add(opening.Entity);
                if (opening.Verify() is { } fault)
                    return Refuse(fault.Failure, fault.Reason);
                _kdc = opening;
                _entity = opening.Entity;
                _verdicts.AddRange(opening.Verdicts(_outer, time.GetUtcNow()));
                return null;
            }
            if (opening.Failure != OpenFailure.NoKey || keys.SmimeKeys.IsEmpty)
                return Refuse(opening.Failure, opening.Reason);
        }
        if (ContentDecryption.KeyLength(cms, out var algorithm) is not { } keyLength)
            return Refuse(OpenFailure.Unsupported, $"The mail is encrypted with an algorithm that is not read here: {algorithm}.");
        var candidates = RecipientKeys.ContentKeys(cms, keys.SmimeKeys, keyLength);
        if (candidates.Count == 0)
        {
            return Refuse(
                OpenFailure.NoKey,
                tickets.Count == 0 ? "The mail is not encrypted to any of your certificates."
                    : keys.Card is null ? "This is KDC mail: open it with your card."
                    : "The mail is neither for your card nor for any of your certificates.");
        }
        foreach (var candidate in candidates)
        {
            var decryption = ContentDecryption.Create(cms, candidate);
            _decryptions.Add(decryption);
            if (!Decrypts(decryption))
                continue;
            _entity = _lastDecrypted = decryption;
            _unauthenticated |= !decryption.IsAuthenticated;
            if (decryption.IsOld)
                _verdicts.Add(new(VerdictLevel.Warning, "The mail is encrypted with Triple-DES, which is out of date."));
            return null;
        }
        return Refuse(OpenFailure.Damaged, DamagedText);
    }

    private static bool Decrypts(ContentDecryption decryption)
    {
        try
        {
            Measurement.Take(decryption, 0, 0, [], canonical: false);
            return true;
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    private OpenOutcome.Refused? VerifyClear(ProtectedPart part)
    {
        var content = part.Node.Children[0];
        var signature = part.Node.Children[1];
        var cms = CmsObject.Read(
            part.Message.Slice(signature.BodyStart, signature.End - signature.BodyStart).Decode(signature.TransferEncoding));
        if (cms.Type != Oids.SignedData || cms.HasContent)
            return Refuse(OpenFailure.Damaged, "The mail says that it is signed, but its signature is malformed.");
        // RFC 9788: the header that the signature protects counts.
        if (content.Type["hp"] is not null)
            _author = FromField.Author(_payload = content.Header);
        return Judge(cms, part.Message, content.Start, content.End);
    }

    private OpenOutcome.Refused? VerifyOpaque(ProtectedPart part)
    {
        var cms = CmsObject.Read(part.Cms);
        if (!cms.HasContent)
            return Refuse(OpenFailure.Damaged, "The mail says that it is signed, but what was signed is not in it.");
        var content = new SignedContent(cms);
        _entity = content;
        return Judge(cms, content, 0, long.MaxValue);
    }

    private OpenOutcome.Refused? Judge(CmsObject cms, OctetSource source, long start, long end)
    {
        var verifier = new SignatureVerifier(cms);
        if (!verifier.HasSigners)
            return Refuse(OpenFailure.Damaged, "The mail says that it is signed, but there is no signature in it.");
        var findings = Judge(verifier, source, start, end, canonical: false);
        if (findings.Any(f => f.IsBroken))
        {
            // A mail stored with line feeds alone was signed with CRLF.
            var canonical = Judge(verifier, source, start, end, canonical: true);
            if (canonical.All(f => !f.IsBroken))
                findings = canonical;
        }
        _findings.AddRange(findings);
        // Of mail from outside the gateway has judged it.
        var isJudged = _kdc is { Context.Evidence: Evidence.Outside };
        _verdicts.AddRange(findings.Select(f => f.IsUndecided && isJudged ? f.Verdict with { Level = VerdictLevel.Warning } : f.Verdict));
        return findings.FirstOrDefault(f => f.IsBroken) is { } broken ? Refuse(OpenFailure.Damaged, broken.Verdict.Text) : null;
    }

    private List<SignatureFinding> Judge(SignatureVerifier verifier, OctetSource source, long start, long end, bool canonical)
    {
        var measured = Measurement.Take(source, start, end, verifier.HashAlgorithms, canonical);
        return verifier.Judge(measured.PartDigests, _author, keys.Trust, time.GetUtcNow());
    }

    private async ValueTask EmitAsync(Measurement measured, Stream output, CancellationToken cancellationToken)
    {
        // An entity that is no message of its own describes its body and nothing else: a From or Subject in it would be nobody's word.
        var skip = 0;
        if (!_entityIsMessage)
        {
            var own = HeaderBlock.TryParse(_entity!.Peek(MaximumHeader), isWhole: true)!;
            skip = own.BodyOffset;
            var header = new ArrayBufferWriter<byte>();
            foreach (var field in _outer.Fields.Where(f => !f.IsContent && !f.Is("MIME-Version")))
                OuterHeader.AppendField(header, field);
            header.Write("MIME-Version: 1.0\r\n"u8);
            foreach (var field in own.Fields.Where(f => f.IsContent))
                OuterHeader.AppendField(header, field);
            header.Write("\r\n"u8);
            await output.WriteAsync(header.WrittenMemory, cancellationToken);
        }
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[32 * 1024];
        await using var stream = _entity!.OpenRead();
        int read;
        while ((read = stream.Read(buffer)) > 0)
        {
            hash.AppendData(buffer, 0, read);
            var skipped = Math.Min(skip, read);
            skip -= skipped;
            await output.WriteAsync(buffer.AsMemory(skipped, read - skipped), cancellationToken);
        }
        if (!hash.GetHashAndReset().AsSpan().SequenceEqual(measured.WholeSha256))
            throw new IOException("The mail changed while it was being read.");
    }

    private OpenOutcome.Refused Refuse(OpenFailure failure, string reason) => new(failure, reason, [.. _verdicts]);

    private sealed class SignedContent(CmsObject cms) : OctetSource
    {
        public override Stream OpenRead() => cms.OpenContent();
    }
}

/// <summary>A fault of the card or vault, told apart from damage in the mail: it passes through to the caller.</summary>
internal sealed class MasterKeyFault(Exception cause) : CryptographicException(cause.Message, cause)
{
    public static async ValueTask<T> GuardAsync<T>(Func<ValueTask<T>> operation)
    {
        try
        {
            return await operation();
        }
        catch (CryptographicException e)
        {
            throw new MasterKeyFault(e);
        }
    }
}
