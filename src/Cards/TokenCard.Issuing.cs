using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Pkcs11;
using GatewaySecure.SmartCard;

namespace GatewaySecure.Cards;

/// <content>What the issuer does with a token.</content>
public sealed partial class TokenCard
{
    private const string Application = "GatewaySecure";

    public IReadOnlyList<CardSlot> RetiredSlots => TokenSlots.Retired;

    public CardSlot? Slot(CardUse use) => TokenSlots.Of(use);

    public CardPublicKey GenerateKey(CardSlot slot, CardKeyAlgorithm algorithm, DateTimeOffset now)
    {
        var (publicHalf, privateHalf) = Templates(slot, isRsa: algorithm is not (CardKeyAlgorithm.P256 or CardKeyAlgorithm.P384));
        return Changing(session =>
        {
            Clear(session, slot, [TokenObjectKind.PrivateKey, TokenObjectKind.PublicKey]);
            var made = algorithm switch
            {
                CardKeyAlgorithm.P256 => session.GenerateEc(ECCurve.NamedCurves.nistP256, publicHalf, privateHalf),
                CardKeyAlgorithm.P384 => session.GenerateEc(ECCurve.NamedCurves.nistP384, publicHalf, privateHalf),
                CardKeyAlgorithm.Rsa4096 => session.GenerateRsa(4096, publicHalf, privateHalf),
                CardKeyAlgorithm.Rsa3072 => session.GenerateRsa(3072, publicHalf, privateHalf),
                _ => session.GenerateRsa(2048, publicHalf, privateHalf),
            };
            return PublicKey(session, made.Public) ?? throw new CardException(CardFault.Protocol, "The token does not tell the key that it made.");
        });
    }

    public void ImportKey(CardSlot slot, AsymmetricAlgorithm privateKey, DateTimeOffset now)
    {
        var (publicHalf, privateHalf) = Templates(slot, privateKey is RSA);
        Changing(session =>
        {
            Clear(session, slot, [TokenObjectKind.PrivateKey, TokenObjectKind.PublicKey]);
            return privateKey switch
            {
                RSA rsa => session.ImportPair(rsa, publicHalf, privateHalf),
                ECAlgorithm curve => session.ImportPair(curve, publicHalf, privateHalf),
                _ => throw new CardException(CardFault.NotSupported, "Tokens are given RSA keys and keys on curves."),
            };
        });
    }

    public CardSlot RetireKey(CardSlot slot) => Changing(session =>
    {
        var free = TokenSlots.Retired.FirstOrDefault(s => session.FindAll(TokenObjectKind.PrivateKey, id: TokenSlots.Id(s)).Count == 0)
            ?? throw new CardException(CardFault.Protocol, "The token has twenty old keys already.");
        // The private key last, by which a free slot is told: interrupted before it, this can be done again.
        foreach (var kind in new[] { TokenObjectKind.Certificate, TokenObjectKind.PublicKey, TokenObjectKind.PrivateKey })
        {
            foreach (var found in session.FindAll(kind, id: TokenSlots.Id(slot)))
                session.Rename(found, TokenSlots.Id(free), TokenSlots.Label(free));
        }
        return free;
    });

    public void PutCertificate(CardSlot slot, ReadOnlyMemory<byte> der)
    {
        using var certificate = X509CertificateLoader.LoadCertificate(der.Span);
        var subject = certificate.SubjectName.RawData;
        Changing(session =>
        {
            Clear(session, slot, [TokenObjectKind.Certificate]);
            return session.ImportCertificate(der, subject, TokenSlots.Label(slot), TokenSlots.Id(slot));
        });
    }

    public void PutMasterKey(Span<byte> key)
    {
        var copy = key.ToArray();
        try
        {
            Changing(session =>
            {
                foreach (var old in session.FindAll(TokenObjectKind.SecretKey, TokenSlots.MasterKeyLabel))
                    session.Destroy(old);
                return session.ImportAes(copy, new KeyTemplate(KeyUses.Decrypt) { Label = TokenSlots.MasterKeyLabel, OnToken = true });
            });
        }
        finally
        {
            CryptographicOperations.ZeroMemory(copy);
            CryptographicOperations.ZeroMemory(key);
        }
    }

    public void PutIdentity(ReadOnlyMemory<byte> identity) => Changing(session =>
    {
        foreach (var old in session.FindAll(TokenObjectKind.Data, TokenSlots.IdentityLabel))
            session.Destroy(old);
        return session.ImportData(TokenSlots.IdentityLabel, Application, identity);
    });

    /// <summary>A token shows the label that it was initialised with.</summary>
    public void PutHolderName(string name)
    {
    }

    private T Changing<T>(Func<TokenSession, T> call)
    {
        Demand(TokenRole.User);
        return Run(call);
    }

    private static void Clear(TokenSession session, CardSlot slot, TokenObjectKind[] kinds)
    {
        foreach (var kind in kinds)
        {
            foreach (var old in session.FindAll(kind, id: TokenSlots.Id(slot)))
                session.Destroy(old);
        }
    }

    private static (KeyTemplate Public, KeyTemplate Private) Templates(CardSlot slot, bool isRsa)
    {
        var signs = slot.Use is CardUse.Sign or CardUse.Authenticate;
        var opens = isRsa ? KeyUses.Decrypt : KeyUses.Derive;
        var publicHalf = new KeyTemplate(signs ? KeyUses.Verify : isRsa ? KeyUses.Encrypt : KeyUses.None)
        {
            Label = TokenSlots.Label(slot), Id = TokenSlots.Id(slot), OnToken = true,
        };
        return (publicHalf, publicHalf with { Uses = signs ? KeyUses.Sign : opens });
    }
}
