using System.Security.Cryptography;
using GatewaySecure.SmartCard;

namespace GatewaySecure.CardEnrollment.Tests;

/// <summary>A card with a point before and after everything that changes it.</summary>
internal sealed class InterruptedCard(IIssuableCard card, Action point) : IIssuableCard
{
    public CardKind Kind => card.Kind;

    public IReadOnlyList<CardSlot> RetiredSlots => card.RetiredSlots;

    public CardDescription Describe() => card.Describe();

    public IReadOnlyList<CardHeldKey> ReadKeys() => card.ReadKeys();

    public byte[]? ReadIdentity() => card.ReadIdentity();

    public IDisposable BeginSession() => card.BeginSession();

    public CardSlot? Slot(CardUse use) => card.Slot(use);

    public PinResult Verify(CardPin pin, ReadOnlySpan<char> code, CardUse use) => card.Verify(pin, code, use);

    public byte[] SignHash(CardHeldKey key, ReadOnlySpan<byte> hash, HashAlgorithmName algorithm, RSASignaturePadding? padding) =>
        card.SignHash(key, hash, algorithm, padding);

    public byte[] DecipherRsa(CardHeldKey key, ReadOnlySpan<byte> cryptogram, RSAEncryptionPadding padding) => card.DecipherRsa(key, cryptogram, padding);

    public byte[] Agree(CardHeldKey key, ECPoint other) => card.Agree(key, other);

    public byte[] DecipherAes(ReadOnlySpan<byte> blocks) => card.DecipherAes(blocks);

    public PinResult ChangePin(CardPin pin, ReadOnlySpan<char> old, ReadOnlySpan<char> fresh)
    {
        point();
        var result = card.ChangePin(pin, old, fresh);
        point();
        return result;
    }

    public PinResult Unblock(CardPin by, ReadOnlySpan<char> code, ReadOnlySpan<char> fresh)
    {
        point();
        var result = card.Unblock(by, code, fresh);
        point();
        return result;
    }

    public CardPublicKey GenerateKey(CardSlot slot, CardKeyAlgorithm algorithm, DateTimeOffset now) => At(() => card.GenerateKey(slot, algorithm, now));

    public CardSlot RetireKey(CardSlot slot) => At(() => card.RetireKey(slot));

    public void ImportKey(CardSlot slot, AsymmetricAlgorithm privateKey, DateTimeOffset now) => At(() => card.ImportKey(slot, privateKey, now));

    public void PutCertificate(CardSlot slot, ReadOnlyMemory<byte> der) => At(() => card.PutCertificate(slot, der));

    public void PutIdentity(ReadOnlyMemory<byte> identity) => At(() => card.PutIdentity(identity));

    public void PutHolderName(string name) => At(() => card.PutHolderName(name));

    public void PutMasterKey(Span<byte> key)
    {
        point();
        card.PutMasterKey(key);
        point();
    }

    private void At(Action call) => At(() =>
    {
        call();
        return true;
    });

    private T At<T>(Func<T> call)
    {
        point();
        var result = call();
        point();
        return result;
    }
}
