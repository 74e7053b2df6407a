using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Addresses;
using GatewaySecure.CardEnrollment.Issuing;
using GatewaySecure.Cards;
using GatewaySecure.KdcCore;
using GatewaySecure.SmartCard;

namespace GatewaySecure.CardEnrollment;

/// <summary>What to put on a card, and for whom, beside a software vault.</summary>
/// <param name="AdminPin">The card's present administrator's code: PW3, management key in hexadecimal, security officer's PIN.</param>
/// <param name="UserPin">Chosen by the user; null: a random one of six digits.</param>
/// <param name="Authority">Certifies the decipher key for S/MIME; null: no certificate.</param>
public sealed record TrialOrder(MailAddress Address, string Name, string AdminPin, string? UserPin, CardAuthority? Authority)
{
    /// <summary>A PIV card's present PUK.</summary>
    public string UnblockingCode { get; init; } = "12345678";

    /// <summary>Of the card's keys.</summary>
    public CardKeyAlgorithm Algorithm { get; init; } = CardKeyAlgorithm.Rsa3072;

    /// <summary>The realm's public key, pinned on a card without an AES slot; empty: such a card is refused.</summary>
    public ReadOnlyMemory<byte> RealmKey { get; init; }
}

/// <summary>A certification authority with an RSA or ECDSA key, as the trial station holds it.</summary>
public sealed record CardAuthority(X509Certificate2 Certificate);

/// <summary>The new codes; for the letter to the user and the safe.</summary>
/// <param name="UnblockingCode">Gives a blocked PIN a new one; null where such cards have none.</param>
public sealed record PinLetter(string Serial, MailAddress Address, string UserPin, string AdminPin, string? UnblockingCode);

/// <summary>A card that was issued, and whose it is.</summary>
/// <param name="Certificate">For the decipher key, where an authority was given.</param>
/// <param name="KeyLeftVault">The master key went to the card; else the card holds a key of its own.</param>
public sealed record IssuedCard(Principal Principal, string Serial, X509Certificate2? Certificate, bool KeyLeftVault);

/// <summary>
/// Issues a card of any kind. First the card's own keys and new PINs, last the master key: a card that was given up half-way holds nothing
/// that opens mail, and no master key ever rests behind a default PIN.
/// </summary>
public sealed class CardIssuing(KdcAdministration administration, TimeProvider time)
{
    /// <param name="letter">Called as soon as the card has the user's PIN, before the other codes are changed: they must not get lost if anything fails later.</param>
    /// <exception cref="ArgumentException">The PIN can't be one of such a card.</exception>
    /// <exception cref="CardException">The card failed, or refused the administrator's PIN.</exception>
    /// <exception cref="AdministrationException">The principal is not in good standing, or nobody's address.</exception>
    public async Task<IssuedCard> IssueAsync(
        IIssuableCard card, TrialOrder order, Action<PinLetter> letter, CancellationToken cancellationToken)
    {
        // Before anything is changed: the card would refuse it half-way.
        if (order.UserPin is { } chosen && PinLife.Objection(card.Kind, CardPin.User, chosen) is { } objection)
            throw new ArgumentException(objection);
        using var session = card.BeginSession();
        var description = card.Describe();
        if (!description.HasAesSlot && order.RealmKey.IsEmpty)
            throw new CardException(CardFault.NotSupported, "This card has no AES slot, and no realm key is at hand for the other kind of ticket.");
        var principal = await PrincipalAsync(order, cancellationToken);

        var pins = Codes(order, description);
        var codes = new CardCodeSet(card, pins.UserPin);
        codes.Open([new CardCodes(order.AdminPin, order.UnblockingCode)]);
        letter(pins);
        var keys = new CardKeySet(card, time);
        keys.RetireDecipherKey([]);
        card.PutHolderName(order.Name);
        keys.Make(CardUse.Sign, order.Algorithm);
        keys.Make(CardUse.Authenticate, order.Algorithm);
        // One key for mail and tickets is on the tickets' curve.
        var shared = !description.HasAesSlot && keys.SlotOf(CardUse.Ticket) == keys.SlotOf(CardUse.Decipher);
        keys.Make(CardUse.Decipher, shared ? CardKeyAlgorithm.P256 : order.Algorithm);
        var certificate = order.Authority is { } authority ? Certify(keys.Present(CardUse.Decipher)!.Public, order, authority, time.GetUtcNow()) : null;
        if (certificate is not null)
            card.PutCertificate(keys.SlotOf(CardUse.Decipher), certificate.RawData);
        codes.Change(new CardCodes(pins.AdminPin, pins.UnblockingCode));

        principal = description.HasAesSlot
            ? await administration.IssueCardAsync(
                principal.Id, description.Serial, overSecureChannel: false, (identity, key, _) => Write(card, identity, key), cancellationToken)
            : await RegisterAsync(card, order, keys, shared, principal, description.Serial, cancellationToken);
        return new IssuedCard(principal, description.Serial, certificate, description.HasAesSlot);
    }

    /// <summary>A card without an AES slot: its public point goes to the KDC, the realm's key to the card.</summary>
    private async Task<Principal> RegisterAsync(
        IIssuableCard card, TrialOrder order, CardKeySet keys, bool shared, Principal principal, string serial, CancellationToken cancellationToken)
    {
        if (!shared)
            keys.Make(CardUse.Ticket, CardKeyAlgorithm.P256);
        var ticket = keys.Present(shared ? CardUse.Decipher : CardUse.Ticket)!.Public;
        var registered = await administration.RegisterCardAsync(principal.Id, serial, ticket.Point(), cancellationToken);
        var identity = new CardIdentity(administration.Realm, registered.Id, registered.Kvno, order.Address);
        card.PutIdentity(new EnrolledCard(identity, order.RealmKey).Encode());
        return registered;
    }

    private static PinLetter Codes(TrialOrder order, CardDescription card) => new(
        card.Serial, order.Address, order.UserPin ?? CardCodeSet.RandomPin(),
        card.Kind == CardKind.Piv ? RandomNumberGenerator.GetHexString(48) : Digits(8),
        card.Kind == CardKind.Token ? null : Digits(8));

    private static ValueTask Write(IIssuableCard card, CardIdentity identity, ReadOnlyMemory<byte> key)
    {
        // Pinned, so that clearing it clears the only copy; PutMasterKey clears it whatever happens.
        var copy = GC.AllocateArray<byte>(key.Length, pinned: true);
        key.Span.CopyTo(copy);
        card.PutMasterKey(copy);
        card.PutIdentity(identity.Encode());
        return ValueTask.CompletedTask;
    }

    private async Task<Principal> PrincipalAsync(TrialOrder order, CancellationToken cancellationToken)
    {
        var found = await administration.FindAsync(order.Address, cancellationToken);
        if (found?.Objection(time.GetUtcNow()) is { } objection)
            throw new AdministrationException($"{found.Name} {objection}.");
        return found ?? await administration.CreateAsync(PrincipalKind.User, order.Name, [order.Address], [], null, cancellationToken);
    }

    private static X509Certificate2 Certify(CardPublicKey key, TrialOrder order, CardAuthority authority, DateTimeOffset now)
    {
        var subject = new X500DistinguishedNameBuilder();
        subject.AddCommonName(order.Name);
        using AsymmetricAlgorithm half = key.Rsa is { } rsa ? RSA.Create(rsa) : ECDiffieHellman.Create(key.Ec!.Value);
        var request = new CertificateRequest(subject.Build(), new PublicKey(half), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddEmailAddress(order.Address.ToString());
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(key.Rsa is null ? X509KeyUsageFlags.KeyAgreement : X509KeyUsageFlags.KeyEncipherment, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.4")], false));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        var until = now.AddYears(2) < authority.Certificate.NotAfter ? now.AddYears(2) : authority.Certificate.NotAfter;
        // Positive, and without a leading zero (RFC 5280 §4.1.2.2).
        var serial = RandomNumberGenerator.GetBytes(16);
        serial[0] = (byte)(serial[0] & 0x7F | 0x40);
        var from = now.AddMinutes(-5) > authority.Certificate.NotBefore ? now.AddMinutes(-5) : authority.Certificate.NotBefore;
        return request.Create(authority.Certificate, from, until, serial);
    }

    private static string Digits(int count) => RandomNumberGenerator.GetString("0123456789", count);
}
