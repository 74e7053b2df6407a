using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.KdcCore;
using GatewaySecure.MailProtection;
using GatewaySecure.MailProtection.Trust;
using GatewaySecure.SmartCard;
using CardHolder = GatewaySecure.KdcCore.CardIdentity;

namespace GatewaySecure.CardClient;

/// <summary>How opening ended; the values are <c>cardmail</c>'s exit status (docs/cards.md).</summary>
public enum OpeningStatus
{
    Opened = 0,

    /// <summary>Opened and written; something about it is to be known.</summary>
    OpenedWithWarnings = 1,

    /// <summary>The command line or a file is wrong.</summary>
    Usage = 2,
    WrongPin = 3,
    CardBlocked = 4,
    NotForThisCard = 5,

    /// <summary>Changed on the way, or not from whom it says. Nothing was written.</summary>
    Forged = 6,
    NoCard = 7,

    /// <summary>Nothing in it is protected, or in a form that is not read.</summary>
    NotReadable = 8,
}

/// <summary>How opening a mail with a card ended.</summary>
/// <param name="Text">One or two plain sentences for the reader.</param>
/// <param name="TriesLeft">After a wrong PIN.</param>
/// <param name="Mail">Where it was opened.</param>
public sealed record OpeningResult(
    OpeningStatus Status, string Text, ImmutableArray<Verdict> Verdicts, int? TriesLeft = null, OpenedMail? Mail = null)
{
    /// <summary>The output holds the message.</summary>
    public bool IsOpened => Status is OpeningStatus.Opened or OpeningStatus.OpenedWithWarnings;
}

/// <summary>
/// Opens one mail with one card: verifies the PIN inside a card transaction, opens, and withdraws the verification.
/// Expected outcomes are values; the output counts only where the result says opened.
/// </summary>
/// <param name="trust">Whose signatures are trusted; null: nobody's.</param>
public sealed class MailOpening(TimeProvider time, CertificateDirectory? trust = null)
{
    /// <exception cref="IOException">The message or the output failed.</exception>
    public async Task<OpeningResult> OpenAsync(
        ICardChannel channel, ReadOnlyMemory<char> pin, IMailContent message, Stream output, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(channel);
        try
        {
            var card = OpenPgpCard.Select(channel);
            using var session = card.BeginSession();
            if (pin.IsEmpty)
                return new OpeningResult(OpeningStatus.WrongPin, "No PIN was given.", [], card.TriesLeft(PinMode.User));
            switch (card.VerifyPin(PinMode.User, pin.Span))
            {
                case PinResult.Wrong(var left):
                    return new OpeningResult(OpeningStatus.WrongPin, $"The PIN is wrong. Tries left: {left}.", [], left);
                case PinResult.Blocked:
                    return new OpeningResult(OpeningStatus.CardBlocked, "The card is blocked. The card station can unblock it.", [], 0);
            }
            using var keys = CardKeys.Read(card);
            var outcome = await new MailOpener(time).OpenAsync(message, keys.ForOpening(trust), output, cancellationToken);
            return Result(outcome);
        }
        catch (CardException e)
        {
            return new OpeningResult(OpeningStatus.NoCard, e.Message, []);
        }
    }

    private static OpeningResult Result(OpenOutcome outcome) => outcome switch
    {
        OpenOutcome.Opened({ Worst: VerdictLevel.Bad } mail) =>
            new OpeningResult(OpeningStatus.Forged, "The mail's signature is bad; nothing was written.", mail.Verdicts),
        OpenOutcome.Opened({ Worst: VerdictLevel.Warning } mail) =>
            new OpeningResult(OpeningStatus.OpenedWithWarnings, "Opened, with warnings.", mail.Verdicts, null, mail),
        OpenOutcome.Opened(var mail) => new OpeningResult(OpeningStatus.Opened, "Opened.", mail.Verdicts, null, mail),
        OpenOutcome.Refused(var failure, var reason, var verdicts) => new OpeningResult(
            failure switch
            {
                OpenFailure.NoKey or OpenFailure.OldCard => OpeningStatus.NotForThisCard,
                OpenFailure.Damaged or OpenFailure.WrongSender => OpeningStatus.Forged,
                _ => OpeningStatus.NotReadable,
            },
            reason, verdicts),
        _ => throw new InvalidOperationException("An outcome that does not exist."),
    };
}

/// <summary>What a card holds for opening mail: its KDC identity and its certificate, each where there is one.</summary>
internal sealed class CardKeys : IDisposable
{
    private readonly OpenPgpCard _card;
    private readonly CardHolder? _holder;
    private readonly X509Certificate2? _certificate;
    private readonly CardRsa? _key;

    private CardKeys(OpenPgpCard card, CardHolder? holder, X509Certificate2? certificate, CardRsa? key)
    {
        _card = card;
        _holder = holder;
        _certificate = certificate;
        _key = key;
    }

    public static CardKeys Read(OpenPgpCard card)
    {
        var holder = Holder(card);
        var (certificate, key) = Smime(card);
        return new CardKeys(card, holder, certificate, key);
    }

    /// <summary>Null where the card was not issued for KDC mail.</summary>
    public static CardHolder? Holder(OpenPgpCard card)
    {
        try
        {
            return CardHolder.Decode(card.GetData(0x0102));
        }
        catch (CardException e) when (e.Fault is CardFault.NotFound or CardFault.PinNeeded)
        {
            return null;
        }
    }

    public OpeningKeys ForOpening(CertificateDirectory? trust) => new()
    {
        Card = _holder is null ? null
            : new MailProtection.CardIdentity(_holder.Realm, _holder.Principal, _holder.Kvno, new CardMasterKey(_card)),
        SmimeKeys = _certificate is null || _key is null ? [] : [new SmimeKey(_certificate, _key)],
        Trust = trust,
    };

    public void Dispose()
    {
        _key?.Dispose();
        _certificate?.Dispose();
    }

    /// <summary>The decipher key with its certificate, where it is an RSA key that fits it.</summary>
    private static (X509Certificate2?, CardRsa?) Smime(OpenPgpCard card)
    {
        try
        {
            var der = card.ReadCertificate(CardKey.Decipher);
            if (der.Length == 0)
                return default;
            var certificate = X509CertificateLoader.LoadCertificate(der);
            using var certified = certificate.GetRSAPublicKey();
            var key = new CardRsa(card, CardKey.Decipher);
            if (certified?.ExportParameters(false).Modulus is { } modulus && modulus.AsSpan().SequenceEqual(key.ExportParameters(false).Modulus))
                return (certificate, key);
            key.Dispose();
            certificate.Dispose();
            return default;
        }
        catch (Exception e) when (e is CryptographicException or CardException { Fault: CardFault.NotFound or CardFault.Protocol })
        {
            // A card without certificates, or with a key of another kind, opens KDC mail all the same.
            return default;
        }
    }
}

/// <summary>K_X in the card's AES slot; one card command for each operation.</summary>
internal sealed class CardMasterKey(OpenPgpCard card) : IMasterKey
{
    public ValueTask<byte[]> DecryptBlocksAsync(ReadOnlyMemory<byte> input, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return new(card.DecipherAes(input.Span));
    }
}
