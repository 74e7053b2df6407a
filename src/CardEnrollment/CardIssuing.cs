using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Addresses;
using GatewaySecure.KdcCore;
using GatewaySecure.SmartCard;

namespace GatewaySecure.CardEnrollment;

/// <summary>What to put on a card, and for whom.</summary>
/// <param name="AdminPin">The card's present PW3.</param>
/// <param name="UserPin">Chosen by the user; null: a random one of six digits.</param>
/// <param name="Authority">Certifies the decipher key for S/MIME; null: no certificate.</param>
public sealed record CardOrder(MailAddress Address, string Name, string AdminPin, string? UserPin, CardAuthority? Authority);

/// <summary>A certification authority with an RSA or ECDSA key, as the trial station holds it.</summary>
public sealed record CardAuthority(X509Certificate2 Certificate);

/// <summary>The new PINs; for the letter to the user and the safe.</summary>
public sealed record PinLetter(string Serial, MailAddress Address, string UserPin, string AdminPin);

/// <summary>A card that was issued, and whose it is.</summary>
/// <param name="Certificate">For the decipher key, where an authority was given.</param>
public sealed record IssuedCard(Principal Principal, string Serial, X509Certificate2? Certificate);

/// <summary>
/// Issues a card. First the card's own keys and new PINs, last the master key: a card that was given up half-way holds nothing
/// that opens mail, and no master key ever rests behind a default PIN.
/// </summary>
public sealed class CardIssuing(KdcAdministration administration, TimeProvider time)
{
    /// <param name="letter">Called before the PINs are changed: they must not get lost if anything fails later.</param>
    /// <exception cref="CardException">The card failed, or refused the administrator's PIN.</exception>
    /// <exception cref="AdministrationException">The principal is not in good standing, or nobody's address.</exception>
    public async Task<IssuedCard> IssueAsync(
        IIssuableCard card, CardOrder order, Action<PinLetter> letter, CancellationToken cancellationToken)
    {
        // Before anything is changed: the card would refuse it half-way.
        if (order.UserPin is { Length: < 6 or > 32 })
            throw new ArgumentException("The user's PIN needs 6 to 32 characters.");
        using var session = card.BeginSession();
        var description = card.Describe();
        if (!description.HasAesSlot)
            throw new CardException(CardFault.NotSupported, "This card has no AES slot, which the trial station needs (an OpenPGP card 3.4 with AES).");
        var principal = await PrincipalAsync(order, cancellationToken);
        Demand(card.Verify(CardPin.Administrator, order.AdminPin, CardUse.Sign));

        card.PutHolderName(order.Name);
        var created = time.GetUtcNow();
        var decipher = Slot(card, CardUse.Decipher);
        card.GenerateKey(Slot(card, CardUse.Sign), CardKeyAlgorithm.Rsa3072, created);
        var made = card.GenerateKey(decipher, CardKeyAlgorithm.Rsa3072, created);
        card.GenerateKey(Slot(card, CardUse.Authenticate), CardKeyAlgorithm.Rsa3072, created);
        var certificate = order.Authority is { } authority ? Certify(made.Rsa!.Value, order, authority, created) : null;
        if (certificate is not null)
            card.PutCertificate(decipher, certificate.RawData);

        var pins = new PinLetter(description.Serial, order.Address, order.UserPin ?? Digits(6), Digits(8));
        letter(pins);
        Demand(card.Unblock(CardPin.Administrator, order.AdminPin, pins.UserPin));
        Demand(card.ChangePin(CardPin.Administrator, order.AdminPin, pins.AdminPin));
        Demand(card.Verify(CardPin.Administrator, pins.AdminPin, CardUse.Sign));

        principal = await administration.IssueCardAsync(
            principal.Id, description.Serial, overSecureChannel: false, (identity, key, _) => Write(card, identity, key), cancellationToken);
        return new IssuedCard(principal, description.Serial, certificate);
    }

    private static CardSlot Slot(IIssuableCard card, CardUse use) =>
        card.Slot(use) ?? throw new CardException(CardFault.NotSupported, $"This card has no place for a key of the use {use}.");

    private static ValueTask Write(IIssuableCard card, CardIdentity identity, ReadOnlyMemory<byte> key)
    {
        // Pinned, so that clearing it clears the only copy; PutMasterKey clears it whatever happens.
        var copy = GC.AllocateArray<byte>(key.Length, pinned: true);
        key.Span.CopyTo(copy);
        card.PutMasterKey(copy);
        card.PutIdentity(identity.Encode());
        return ValueTask.CompletedTask;
    }

    private async Task<Principal> PrincipalAsync(CardOrder order, CancellationToken cancellationToken)
    {
        var found = await administration.FindAsync(order.Address, cancellationToken);
        if (found?.Objection(time.GetUtcNow()) is { } objection)
            throw new AdministrationException($"{found.Name} {objection}.");
        return found ?? await administration.CreateAsync(PrincipalKind.User, order.Name, [order.Address], [], null, cancellationToken);
    }

    private static X509Certificate2 Certify(RSAParameters key, CardOrder order, CardAuthority authority, DateTimeOffset now)
    {
        using var rsa = RSA.Create(key);
        var subject = new X500DistinguishedNameBuilder();
        subject.AddCommonName(order.Name);
        var request = new CertificateRequest(subject.Build(), rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddEmailAddress(order.Address.ToString());
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyEncipherment, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.4")], false));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        var until = now.AddYears(2) < authority.Certificate.NotAfter ? now.AddYears(2) : authority.Certificate.NotAfter;
        // Positive, and without a leading zero (RFC 5280 §4.1.2.2).
        var serial = RandomNumberGenerator.GetBytes(16);
        serial[0] = (byte)(serial[0] & 0x7F | 0x40);
        return request.Create(authority.Certificate, now.AddMinutes(-5), until, serial);
    }

    private static void Demand(PinResult result)
    {
        switch (result)
        {
            case PinResult.Wrong(var left):
                throw new CardException(CardFault.PinNeeded, $"The card's administrator PIN is another one; {left} tries are left.");
            case PinResult.Blocked:
                throw new CardException(CardFault.PinNeeded, "The card's administrator PIN is blocked; reset the card to factory state.");
        }
    }

    private static string Digits(int count) => RandomNumberGenerator.GetString("0123456789", count);
}
