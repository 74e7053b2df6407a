using System.Security.Cryptography;
using GatewaySecure.KdcCore;
using GatewaySecure.MailProtection.Cms;
using GatewaySecure.MailProtection.Mime;

namespace GatewaySecure.MailProtection.Opening;

/// <summary>What a KDC container came to: an entity of which every check of docs/formats/kdc-mail.md §6 holds, or why not.</summary>
internal sealed record KdcOpening(TicketContext? Context, ContentDecryption? Entity, OpenFailure Failure, string Reason)
{
    private const int MaximumHeader = 1024 * 1024;
    private static readonly TimeSpan FarFromDate = TimeSpan.FromDays(2);
    private static readonly TimeSpan ClockSlack = TimeSpan.FromMinutes(5);

    /// <summary>Unwraps our ticket. The entity is not verified yet.</summary>
    /// <remarks>Failures of the card itself are its own exceptions and pass through.</remarks>
    public static async ValueTask<KdcOpening> UnwrapAsync(
        CmsObject cms, List<KekRecipient> recipients, CardIdentity card, CancellationToken cancellationToken)
    {
        var ours = new List<(KekRecipient Recipient, TicketContext Context)>();
        foreach (var recipient in recipients)
        {
            if (TicketContext.Decode(recipient.Context) is { } context
                && context.Realm.Equals(card.Realm) && context.Recipient.Principal == card.Principal
                && recipient.KeyIdentifier.AsSpan().SequenceEqual(context.Id.ToOctets()))
            {
                ours.Add((recipient, context));
            }
        }
        if (ours.Count == 0)
            return Refuse(OpenFailure.NoKey, "This KDC mail holds no ticket for your card.");
        var current = ours.FirstOrDefault(o => o.Context.Kvno == card.KeyVersion);
        if (current.Recipient is null)
        {
            var version = ours[0].Context.Kvno;
            return version < card.KeyVersion
                ? Refuse(
                    OpenFailure.OldCard,
                    $"The ticket is for an earlier card of yours (key version {version}; this card has {card.KeyVersion}). "
                    + "Have the KDC exchange it; that needs a connection once.")
                : Refuse(OpenFailure.NoKey, $"The ticket is for a newer card of yours (key version {version}). Use that card.");
        }
        if (cms.Type != Oids.AuthEnvelopedData || ContentDecryption.KeyLength(cms, out _) != 32 || cms.AuthenticatedAttributes.Length > 0)
            return Refuse(OpenFailure.Damaged, OpeningSession.DamagedText);
        return await TicketReader.UnwrapAsync(
            current.Recipient.Context, current.Recipient.WrappedKey, current.Recipient.Envelope, card.Key, cancellationToken) switch
        {
            TicketOpening.Opened opened => new(opened.Context, ContentDecryption.Create(cms, opened.SessionKey), default, ""),
            _ => Refuse(OpenFailure.Damaged, OpeningSession.DamagedText),
        };
    }

    /// <summary>Reads the whole entity: tag, commitment, and the single sender. Null where all hold.</summary>
    /// <exception cref="CryptographicException">The tag is wrong.</exception>
    public (OpenFailure Failure, string Reason)? Verify()
    {
        var measured = Measurement.Take(Entity!, 0, 0, [], canonical: false);
        if (!measured.WholeSha256.AsSpan().SequenceEqual(Context!.Commitment.Span))
            return (OpenFailure.Damaged, "The ticket was issued for another text than the one in this mail. Somebody put them together.");
        var header = HeaderBlock.TryParse(Entity!.Peek(MaximumHeader), isWhole: true)!;
        if (!header.EndsInEmptyLine)
            return (OpenFailure.WrongSender, "The header inside is malformed, so it does not say clearly who the mail is from.");
        var (from, problem) = FromField.Single(header);
        if (from is null)
            return (OpenFailure.WrongSender, $"The mail does not say clearly who it is from: {problem}");
        return from.Equals(Context.Sender.Address)
            ? null
            : (
                OpenFailure.WrongSender,
                $"Forged sender: the mail says it is from {from}, but the KDC issued the ticket to {Context.Sender.Address}.");
    }

    /// <summary>In plain words, for an entity that was verified.</summary>
    public IEnumerable<Verdict> Verdicts(HeaderBlock outer, DateTimeOffset now)
    {
        var issued = Context!.IssuedAt;
        if (Context.Evidence == Evidence.Outside)
        {
            foreach (var verdict in OfOutside())
                yield return verdict;
        }
        else
        {
            yield return new(VerdictLevel.Good, $"From {Context.Sender.Address}; nobody changed the mail on its way.");
            yield return Context.Evidence switch
            {
                Evidence.Card => new(VerdictLevel.Good, "The sender proved who they are with their card."),
                Evidence.Auth => new(VerdictLevel.Good, "The sender's mail gateway authenticated this mailbox."),
                _ => new(VerdictLevel.Warning, "The sender's name was claimed by another mail server and not proved."),
            };
        }
        yield return new(VerdictLevel.Good, InWords($"The KDC issued the ticket on {issued.UtcDateTime:yyyy-MM-dd HH:mm} UTC."));
        if (MimeKit.Utils.DateUtils.TryParse(outer.First("Date")?.Value ?? "", out var date) && (date - issued).Duration() > FarFromDate)
        {
            yield return new(
                VerdictLevel.Warning,
                InWords($"The mail is dated {date.UtcDateTime:yyyy-MM-dd}, far from that day: it may be an old mail sent again."));
        }
        if (issued > now + ClockSlack)
            yield return new(VerdictLevel.Warning, "By this computer's clock that lies in the future: the clock may be wrong.");
        if (!Context.Sender.Address.Equals(FromField.Single(outer, anyLineEnds: true).Address))
            yield return new(VerdictLevel.Warning, "Outside, where nothing is protected, the mail names another sender. The one inside counts.");
    }

    /// <summary>The gateway is the one who speaks: that nobody changed it since, and what it found out about the sender.</summary>
    private IEnumerable<Verdict> OfOutside()
    {
        yield return new(VerdictLevel.Good, "The mail came from outside; nobody changed it since your organisation's mail gateway received it.");
        var header = HeaderBlock.TryParse(Entity!.Peek(MaximumHeader), isWhole: true)!;
        var found = header.Fields.Skip(1).TakeWhile(f => f.Is(ReceivedVerdict.FieldName)).SelectMany(f => ReceivedVerdict.Read(f.Value)).ToList();
        foreach (var (level, text) in found)
            yield return new(level, text);
        if (!found.Any(v => v.Level == VerdictLevel.Good))
            yield return new(VerdictLevel.Warning, $"Whether it really comes from {Context!.Sender.Address} is not proved.");
    }

    private static string InWords(FormattableString text) => FormattableString.Invariant(text);

    private static KdcOpening Refuse(OpenFailure failure, string reason) => new(null, null, failure, reason);
}
