using System.Collections.Immutable;
using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Addresses;
using GatewaySecure.MailProtection.Cms;
using GatewaySecure.MailProtection.Mime;
using GatewaySecure.MailProtection.Recipients;
using GatewaySecure.Trust;

namespace GatewaySecure.MailProtection.Opening;

/// <summary>What came of one signer.</summary>
/// <param name="IsBroken">The content or the signature was changed.</param>
/// <param name="IsTrusted">It holds, its certificate is trusted, and it is the sender's or his organisation's.</param>
internal sealed record SignatureFinding(bool IsBroken, bool IsTrusted, Verdict Verdict)
{
    /// <summary>Who signed, where the signature holds.</summary>
    public X509Certificate2? Signer { get; init; }

    /// <summary>Whether it is trusted can't be known here and now: news of a revocation lack, or anchors altogether.</summary>
    public bool IsUndecided { get; init; }

    /// <summary>Its algorithms or its certificate can't be had: it could not be checked.</summary>
    public bool IsUnreadable { get; init; }
}

/// <summary>
/// Judges every signature of a SignedData: the mathematics, the certificate at our anchors, and whether the signer is who the mail says
/// it is from (RFC 8550 §3, RFC 3183 §4).
/// </summary>
internal sealed class SignatureVerifier
{
    private const string EmailProtection = "1.3.6.1.5.5.7.3.4";
    private const string AnyExtendedKeyUsage = "2.5.29.37.0";

    /// <summary>RFC 3183 §4.1: the local part under which an organisation signs.</summary>
    private const string DomainAuthority = "domain-signing-authority";

    /// <summary>More than any honest mail has; each costs a verification and a path.</summary>
    private const int MaximumSigners = 16;

    private const int MaximumCertificates = 200;

    /// <summary>Of a certificate's addresses, so many are told.</summary>
    private const int AddressesTold = 3;

    private readonly CmsObject _signed;
    private readonly List<X509Certificate2> _certificates = [];
    private readonly List<Signer> _signers = [];

    /// <exception cref="AsnContentException">Malformed, or beyond all measure.</exception>
    public SignatureVerifier(CmsObject signed)
    {
        _signed = signed;
        if (signed.Certificates.Count > MaximumCertificates)
            throw new AsnContentException("More certificates than a mail has.");
        foreach (var der in signed.Certificates.Where(c => c[0] == 0x30))
        {
            try
            {
                _certificates.Add(X509CertificateLoader.LoadCertificate(der));
            }
            catch (CryptographicException)
            {
                // One that can't be read may be of no importance; a signer that lacks his is reported.
            }
        }
        var set = new AsnReader(signed.SignerInfos, AsnEncodingRules.BER).ReadSetOf(skipSortOrderValidation: true);
        while (set.HasData)
        {
            if (_signers.Count == MaximumSigners)
                throw new AsnContentException("More signatures than a mail has.");
            _signers.Add(Signer.Read(set.ReadSequence()));
        }
    }

    public bool HasSigners => _signers.Count > 0;

    public IEnumerable<HashAlgorithmName> HashAlgorithms =>
        _signers.Select(s => SignatureAlgorithms.HashName(s.DigestOid)).OfType<HashAlgorithmName>();

    /// <param name="digests">Of the signed content.</param>
    public List<SignatureFinding> Judge(
        IReadOnlyDictionary<HashAlgorithmName, byte[]> digests, MailAuthor author, CertificateDirectory? trust, DateTimeOffset now) =>
        [.. _signers.Select(s => Judge(s, digests, author, trust, now))];

    private SignatureFinding Judge(
        Signer signer, IReadOnlyDictionary<HashAlgorithmName, byte[]> digests, MailAuthor author, CertificateDirectory? trust, DateTimeOffset now)
    {
        if (SignatureAlgorithms.HashName(signer.DigestOid) is not { } hash)
            return Unreadable($"A signature could not be checked: its hash algorithm {signer.DigestOid} is not read.");
        var certificate = _certificates.FirstOrDefault(signer.IsBy);
        if (certificate is null)
            return Unreadable("A signature could not be checked: its certificate did not come along.");
        var who = $"{certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: false)} ({certificate.Subject})";
        var holds = Holds(signer, certificate, hash, digests[hash]);
        if (holds is null)
            return Unreadable($"The signature of {who} could not be checked: its algorithm is not read.");
        if (holds == false)
            return new(true, false, new(VerdictLevel.Bad, $"The mail was changed after {who} signed it, or the signature is not theirs."));

        return Weigh(signer, certificate, who, hash, author, trust, now) with { Signer = certificate };
    }

    /// <summary>A signature that holds.</summary>
    private SignatureFinding Weigh(
        Signer signer, X509Certificate2 certificate, string who, HashAlgorithmName hash, MailAuthor author, CertificateDirectory? trust, DateTimeOffset now)
    {
        var from = author.From;
        if (WhyNotTrusted(certificate, signer.SigningTime, trust, now, out var weaknesses, out var undecided) is { } distrust)
            return Bad($"The signature of {who} fits the mail, but its certificate is not trusted: {distrust}") with { IsUndecided = undecided };
        if (from is null)
            return Bad($"{who} signed the mail, but it does not say clearly who it is from.");
        var addresses = CertificateAddresses.Of(certificate);
        var old = string.Concat(weaknesses.Select(w => $" {w}")) + Weakness(certificate, hash);
        var level = old.Length > 0 ? VerdictLevel.Warning : VerdictLevel.Good;
        if (addresses.Contains(from))
            return new(false, level == VerdictLevel.Good, new(level, $"Signed by {from}: {certificate.Subject}.{old}"));
        if (addresses.Any(a => a.Domain.Equals(from.Domain) && a.LocalPart.Equals(DomainAuthority, StringComparison.OrdinalIgnoreCase)))
        {
            return new(
                false,
                level == VerdictLevel.Good,
                new(level, $"Signed by the organisation {from.Domain}, not by the person: {certificate.Subject}.{old}"));
        }
        var told = string.Join(", ", addresses.Take(AddressesTold)) + (addresses.Length > AddressesTold ? $" and {addresses.Length - AddressesTold} more" : "");
        // RFC 8550 §3 lets the signer be the Sender; readers see the From, which nothing proves then.
        return author.Sender is { } sender && addresses.Contains(sender)
            ? Bad($"Signed by {sender}, who sent it in the name of {from}. That {from} knows of it is not proved.")
            : Bad($"Signed by {(addresses.IsEmpty ? certificate.Subject : told)}, but the mail says it is from {from}.");
    }

    /// <summary>What was good enough once: said, and so no longer a good signature.</summary>
    private static string Weakness(X509Certificate2 certificate, HashAlgorithmName hash)
    {
        if (hash == HashAlgorithmName.SHA1)
            return " The signature uses SHA-1, which no longer protects.";
        if (certificate.PublicKey.Oid.Value == Oids.Dsa)
            return " The signature uses DSA, which is out of date.";
        using var rsa = certificate.PublicKey.Oid.Value == Oids.Rsa ? certificate.GetRSAPublicKey() : null;
        return rsa is { KeySize: < 2048 } ? $" The signature's RSA key has {rsa.KeySize} bits only, which no longer protects." : "";
    }

    private static SignatureFinding Bad(string text) => new(false, false, new(VerdictLevel.Bad, text));

    private static SignatureFinding Unreadable(string text) => Bad(text) with { IsUnreadable = true };

    /// <summary>Null: an algorithm that is not read.</summary>
    private bool? Holds(Signer signer, X509Certificate2 certificate, HashAlgorithmName hash, byte[] contentDigest)
    {
        if (signer.Attributes is null)
        {
            // RFC 5652 §5.3: other content than id-data must have attributes, or one kind of content could pass for another.
            return _signed.ContentType == Oids.Data
                ? SignatureAlgorithms.Verify(certificate, signer.SignatureAlgorithm, hash, contentDigest, message: null, signer.Signature)
                : false;
        }
        if (signer.MessageDigest is null || !signer.MessageDigest.AsSpan().SequenceEqual(contentDigest))
            return false;
        if (signer.ContentType != _signed.ContentType)
            return false;
        if (signer.CertificateHash is { } bound && !bound.AsSpan().SequenceEqual(SHA256.HashData(certificate.RawData)))
            return false;
        var digest = SignatureAlgorithms.Hash(hash, signer.Attributes);
        return SignatureAlgorithms.Verify(certificate, signer.SignatureAlgorithm, hash, digest, signer.Attributes, signer.Signature);
    }

    private string? WhyNotTrusted(
        X509Certificate2 certificate, DateTimeOffset? signingTime, CertificateDirectory? trust, DateTimeOffset now, out ImmutableArray<string> weaknesses,
        out bool undecided)
    {
        (weaknesses, undecided) = ([], false);
        if (trust is null)
        {
            undecided = true;
            return "no trust anchors are configured.";
        }
        if (certificate.Extensions.OfType<X509KeyUsageExtension>().FirstOrDefault() is { } usage
            && (usage.KeyUsages & (X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.NonRepudiation)) == 0)
        {
            return "it is not for signing.";
        }
        if (certificate.Extensions.OfType<X509EnhancedKeyUsageExtension>().FirstOrDefault() is { } extended
            && !extended.EnhancedKeyUsages.Cast<Oid>().Any(o => o.Value is EmailProtection or AnyExtendedKeyUsage))
        {
            return "it is not for mail.";
        }
        var verdict = trust.ValidateSigner(certificate, _certificates, now, now);
        // Old mail: expired since is no fault, if the path held when the signer says he signed. The time is his word, so revocation counts as of now.
        if (!verdict.IsGood && signingTime is { } then && then < now && verdict.Rejections.All(r => r.Reason == RejectionReason.PathExpired))
            verdict = trust.ValidateSigner(certificate, _certificates, then, now);
        weaknesses = verdict.Weaknesses;
        undecided = !verdict.IsGood && verdict.Rejections.All(r => r.IsTemporary);
        return verdict.IsGood ? null : string.Join(' ', verdict.Rejections.Select(r => r.Text));
    }

    /// <summary>One SignerInfo, RFC 5652 §5.3.</summary>
    private sealed class Signer
    {
        private ReadOnlyMemory<byte> _issuer;
        private ReadOnlyMemory<byte> _serial;
        private ReadOnlyMemory<byte>? _keyIdentifier;

        public string DigestOid { get; private set; } = "";

        /// <summary>As the SET OF that is hashed; null where absent.</summary>
        public byte[]? Attributes { get; private set; }

        public byte[] SignatureAlgorithm { get; private set; } = [];

        public byte[] Signature { get; private set; } = [];

        public byte[]? MessageDigest { get; private set; }

        public string? ContentType { get; private set; }

        public DateTimeOffset? SigningTime { get; private set; }

        /// <summary>From signingCertificateV2 where it names SHA-256.</summary>
        public byte[]? CertificateHash { get; private set; }

        public bool IsBy(X509Certificate2 certificate) => _keyIdentifier is { } identifier
            ? CertificateNames.HasKeyIdentifier(certificate, identifier.Span)
            : CertificateNames.Is(certificate, _issuer.Span, _serial.Span);

        public static Signer Read(AsnReader info)
        {
            var signer = new Signer();
            info.ReadInteger();
            if (info.PeekTag() == Asn1Tag.Sequence)
            {
                var id = info.ReadSequence();
                signer._issuer = id.ReadEncodedValue();
                signer._serial = id.ReadIntegerBytes();
            }
            else
            {
                signer._keyIdentifier = info.ReadOctetString(CmsWriter.Context(0, constructed: false));
            }
            signer.DigestOid = info.ReadSequence().ReadObjectIdentifier();
            if (info.PeekTag().HasSameClassAndValue(CmsWriter.Context(0)))
            {
                var attributes = info.ReadEncodedValue().ToArray();
                attributes[0] = 0x31;
                signer.Attributes = attributes;
                signer.ReadAttributes(new AsnReader(attributes, AsnEncodingRules.BER).ReadSetOf(skipSortOrderValidation: true));
            }
            signer.SignatureAlgorithm = info.ReadEncodedValue().ToArray();
            signer.Signature = info.ReadOctetString();
            return signer;
        }

        private void ReadAttributes(AsnReader attributes)
        {
            var seen = new HashSet<string>();
            while (attributes.HasData)
            {
                var attribute = attributes.ReadSequence();
                var oid = attribute.ReadObjectIdentifier();
                var values = attribute.ReadSetOf(skipSortOrderValidation: true);
                if (!seen.Add(oid))
                    throw new AsnContentException("A signed attribute stands twice.");
                switch (oid)
                {
                    case Oids.MessageDigest:
                        MessageDigest = values.ReadOctetString();
                        break;
                    case Oids.ContentType:
                        ContentType = values.ReadObjectIdentifier();
                        break;
                    case Oids.SigningTime:
                        SigningTime = values.PeekTag() == Asn1Tag.UtcTime ? values.ReadUtcTime() : values.ReadGeneralizedTime();
                        break;
                    case Oids.SigningCertificateV2:
                        CertificateHash = ReadCertificateHash(values);
                        break;
                }
            }
        }

        private static byte[]? ReadCertificateHash(AsnReader values)
        {
            var first = values.ReadSequence().ReadSequence().ReadSequence();
            if (first.PeekTag() == Asn1Tag.Sequence && first.ReadSequence().ReadObjectIdentifier() != Oids.Sha256)
                return null;
            return first.ReadOctetString();
        }
    }
}
