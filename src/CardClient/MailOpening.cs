using System.Collections.Immutable;
using GatewaySecure.Cards;
using GatewaySecure.MailProtection;
using GatewaySecure.MailProtection.Recipients;
using GatewaySecure.SmartCard;

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
        ICard card, ReadOnlyMemory<char> pin, IMailContent message, Stream output, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(card);
        try
        {
            using var session = card.BeginSession();
            if (pin.IsEmpty)
                return new OpeningResult(OpeningStatus.WrongPin, "No PIN was given.", [], card.Describe().Pin(CardPin.User)?.TriesLeft);
            switch (card.Verify(CardPin.User, pin.Span, CardUse.Decipher))
            {
                case PinResult.Wrong(var left):
                    return new OpeningResult(OpeningStatus.WrongPin, PinWords.Wrong(CardPin.User, left), [], left);
                case PinResult.Blocked:
                    return new OpeningResult(OpeningStatus.CardBlocked, PinWords.Blocked(CardPin.User, card.Describe()), [], 0);
            }
            using var keys = CardKeys.Read(card);
            var outcome = await new MailOpener(time).OpenAsync(message, keys.ForOpening(trust), output, cancellationToken);
            return Result(outcome);
        }
        catch (CardException e)
        {
            return new OpeningResult(e.Fault == CardFault.NotSupported ? OpeningStatus.NotReadable : OpeningStatus.NoCard, e.Message, []);
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
