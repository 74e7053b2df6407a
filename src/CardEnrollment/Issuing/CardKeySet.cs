using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.KdcCore;
using GatewaySecure.SmartCard;

namespace GatewaySecure.CardEnrollment.Issuing;

/// <summary>The keys of a card that is being issued: made, moved aside, compared and shown. Everything here may be done again after an interruption.</summary>
internal sealed class CardKeySet(IIssuableCard card, TimeProvider time)
{
    /// <summary>A PIV card without the vendor's metadata does not show a key before its certificate is there.</summary>
    private readonly Dictionary<CardUse, CardPublicKey> _made = [];

    /// <summary>The key of that use that is on the card now; null where there is none, or the card can't tell.</summary>
    public CardHeldKey? Present(CardUse use)
    {
        var slot = SlotOf(use);
        return card.ReadKeys().FirstOrDefault(k => k.Slot.Name == slot.Name)
            ?? (_made.TryGetValue(use, out var made) ? new CardHeldKey(slot, made) : null);
    }

    public bool Holds(MadeKey key) => Present(key.Use) is { } held && PublicKeyInfo(held.Public).AsSpan().SequenceEqual(key.PublicKey.Span);

    public MadeKey Make(CardUse use, CardKeyAlgorithm algorithm)
    {
        var made = _made[use] = card.GenerateKey(SlotOf(use), algorithm, time.GetUtcNow());
        return new MadeKey(use, PublicKeyInfo(made));
    }

    /// <summary>A key for mail is on the card, and has no other place on it.</summary>
    /// <param name="keep">The one that is being issued; empty where there is none yet.</param>
    public bool LosesDecipherKey(ReadOnlySpan<byte> keep) => card.RetiredSlots.Count == 0 && OldDecipherKey(keep) is not null;

    /// <summary>
    /// The decipher key goes to a slot for old mail, where the card can do that. Interrupted between key and certificate, the key is found where it
    /// went.
    /// </summary>
    /// <param name="keep">As for <see cref="LosesDecipherKey"/>.</param>
    public void RetireDecipherKey(ReadOnlySpan<byte> keep)
    {
        if (OldDecipherKey(keep) is not { } old)
            return;
        if (card.ReadKeys().FirstOrDefault(k => k.Slot.Retired && k.Public.IsSameAs(old.Public)) is { } moved)
        {
            card.PutCertificate(moved.Slot, old.Certificate);
            return;
        }
        try
        {
            card.RetireKey(old.Slot);
        }
        catch (CardException e) when (e.Fault == CardFault.NotSupported)
        {
            // An OpenPGP card, of which the operator was told; a PIV card without the vendor's command, which only now says so. Escrow has the key.
        }
    }

    /// <summary>A request signed by the key itself, which proves that the card has it. The user's PIN is verified for this use.</summary>
    public KeyRequest Request(CardUse use, string name)
    {
        using var key = Signer(use);
        return Request(use, key, name);
    }

    /// <summary>A request signed by that key, which need not be on a card.</summary>
    public static KeyRequest Request(CardUse use, AsymmetricAlgorithm key, string name)
    {
        using var curve = key is ECDiffieHellman agreement ? ECDsa.Create(agreement.ExportParameters(true)) : null;
        var (request, generator) = Draft(curve ?? key, name);
        return new KeyRequest(use, request.CreateSigningRequest(generator));
    }

    /// <exception cref="CardException">A later run would not see the keys that were made, and make others.</exception>
    public void DemandShown()
    {
        var shown = card.ReadKeys();
        if (_made.Keys.Any(use => shown.All(k => k.Slot.Name != SlotOf(use).Name)))
            throw new CardException(CardFault.NotSupported, "This card does not show a key before its certificate is there, so a CA elsewhere can't certify it.");
    }

    /// <summary>A certificate for log-on, signed by the key itself. The user's PIN is verified for this use.</summary>
    public X509Certificate2 SelfSigned(CardUse use, string name, DateTimeOffset from, DateTimeOffset until)
    {
        using var key = Signer(use);
        var (request, generator) = Draft(key, name);
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        // Positive, and without a leading zero (RFC 5280 §4.1.2.2).
        var serial = RandomNumberGenerator.GetBytes(16);
        serial[0] = (byte)(serial[0] & 0x7F | 0x40);
        return request.Create(request.SubjectName, generator, from, until, serial);
    }

    /// <summary>PKCS #1 v1.5, or ECDSA as DER, over SHA-256 (SHA-384 by a key on P-384).</summary>
    public byte[] Sign(CardUse use, ReadOnlySpan<byte> text)
    {
        using var key = Signer(use);
        return key switch
        {
            RSA rsa => rsa.SignData(text, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1),
            _ => ((ECDsa)key).SignData(text, HashOf((ECDsa)key), DSASignatureFormat.Rfc3279DerSequence),
        };
    }

    public CardSlot SlotOf(CardUse use) =>
        card.Slot(use) ?? throw new CardException(CardFault.NotSupported, $"This card has no place for a key of the use {use}.");

    public static byte[] PublicKeyInfo(CardPublicKey key)
    {
        if (key.Rsa is { } numbers)
        {
            using var rsa = RSA.Create(numbers);
            return rsa.ExportSubjectPublicKeyInfo();
        }
        using var curve = ECDiffieHellman.Create(key.Ec!.Value);
        return curve.ExportSubjectPublicKeyInfo();
    }

    private CardHeldKey? OldDecipherKey(ReadOnlySpan<byte> keep) =>
        Present(CardUse.Decipher) is { Certificate.IsEmpty: false } old && !PublicKeyInfo(old.Public).AsSpan().SequenceEqual(keep) ? old : null;

    private static (CertificateRequest Request, X509SignatureGenerator Generator) Draft(AsymmetricAlgorithm key, string name)
    {
        var subject = new X500DistinguishedNameBuilder();
        subject.AddCommonName(name);
        return key is RSA rsa
            ? (new CertificateRequest(subject.Build(), rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1),
                X509SignatureGenerator.CreateForRSA(rsa, RSASignaturePadding.Pkcs1))
            : (new CertificateRequest(subject.Build(), (ECDsa)key, HashOf((ECDsa)key)), X509SignatureGenerator.CreateForECDsa((ECDsa)key));
    }

    private AsymmetricAlgorithm Signer(CardUse use)
    {
        var held = Present(use) ?? throw new CardException(CardFault.NotFound, $"The card does not show its key of the use {use}.");
        return held.Public.Rsa is null ? new CardEcdsa(card, held) : new CardRsa(card, held);
    }

    private static HashAlgorithmName HashOf(ECDsa key) => key.KeySize > 256 ? HashAlgorithmName.SHA384 : HashAlgorithmName.SHA256;
}
