using System.CommandLine;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using GatewaySecure.Cards;
using GatewaySecure.SmartCard;

namespace GatewaySecure.CardClient;

/// <summary><c>cardmail status</c>: readers, card, tries left, keys, holder; all without a PIN.</summary>
internal static class StatusCommand
{
    public static Command Make()
    {
        var command = new Command("status", "Shows readers and card, tries left, keys and holder, without a PIN. Exit status: 0 the card works, 4 it is blocked, 7 no card.");
        CardOptions.AddTo(command);
        command.SetAction((parse, cancellationToken) => Guard.RunAsync(async () =>
        {
            var readers = Readers(parse);
            if (!parse.GetValue(CardOptions.Json))
            {
                foreach (var reader in readers)
                    Console.WriteLine($"Reader {reader.Reader}: {(reader.CardInserted ? "card inserted" : "empty")}");
            }
            using var access = await CardOptions.OpenAsync(parse, cancellationToken);
            using var session = access.Card.BeginSession();
            var card = access.Card.Describe();
            var keys = access.Card.ReadKeys();
            var enrolled = CardKeys.Enrolled(access.Card);
            if (parse.GetValue(CardOptions.Json))
                WriteJson(readers, card, keys, enrolled);
            else
                WriteWords(card, keys, enrolled);
            return card.Pin(CardPin.User) is { IsBlocked: true } ? OpeningStatus.CardBlocked : OpeningStatus.Opened;
        }));
        return command;
    }

    private static List<ReaderStatus> Readers(ParseResult parse)
    {
        if ((parse.GetValue(CardOptions.VirtualCard) ?? parse.GetValue(CardOptions.Module)) is not null)
            return [];
        using var context = new PcscContext();
        return [.. context.ListReaders().Select(context.GetStatus)];
    }

    private static void WriteWords(CardDescription card, IReadOnlyList<CardHeldKey> keys, KdcCore.EnrolledCard? enrolled)
    {
        Console.WriteLine($"{card.Application}, number {card.Serial}.");
        foreach (var pin in card.Pins)
            Console.WriteLine($"  {PinWords.Name(pin.Pin)}: {State(pin)}");
        if (card.Pin(CardPin.User) is { IsBlocked: true })
            Console.WriteLine(PinWords.Blocked(CardPin.User, card));
        foreach (var key in keys)
            Console.WriteLine($"  key {key.Slot.Name}: {key.Public.Algorithm}, {UseOf(key.Slot)}{(Certificate(key) is { } c ? $", certified for {c.Subject} until {c.NotAfter:yyyy-MM-dd}" : "")}");
        Console.WriteLine(enrolled?.Identity is not { } holder
            ? "Not issued for KDC mail."
            : $"Issued to {holder.Address}: principal {holder.Principal} of {holder.Realm}, key version {holder.Kvno}");
        if (enrolled is { RealmKey.IsEmpty: false })
            Console.WriteLine("KDC mail by ECDH, as the card has no AES slot: not safe from a quantum computer one day.");
    }

    private static void WriteJson(List<ReaderStatus> readers, CardDescription card, IReadOnlyList<CardHeldKey> keys, KdcCore.EnrolledCard? enrolled) =>
        Console.WriteLine(JsonSerializer.Serialize(new
        {
            readers = readers.Select(r => new { name = r.Reader, card = r.CardInserted }),
            kind = card.Kind.ToString(),
            application = card.Application,
            number = card.Serial,
            aesSlot = card.HasAesSlot,
            pins = card.Pins.Select(p => new { pin = p.Pin.ToString(), triesLeft = p.TriesLeft, set = p.IsSet, blocked = p.IsBlocked }),
            keys = keys.Select(k => new
            {
                slot = k.Slot.Name,
                use = k.Slot.Use.ToString(),
                retired = k.Slot.Retired,
                algorithm = k.Public.Algorithm.ToString(),
                subject = Certificate(k)?.Subject,
                until = Certificate(k)?.NotAfter.ToUniversalTime(),
            }),
            holder = enrolled?.Identity.Address.ToString(),
            principal = enrolled?.Identity.Principal.ToString(),
            realm = enrolled?.Identity.Realm.ToString(),
            keyVersion = enrolled?.Identity.Kvno,
            ticketKind = enrolled is null ? null : enrolled.RealmKey.IsEmpty ? "aes" : "ecdh",
        }));

    private static string State(CardPinState pin) => pin switch
    {
        { IsSet: false } => "none set, or blocked",
        { IsBlocked: true } => "BLOCKED",
        { TriesLeft: 1 } => "ONE try left",
        { TriesLeft: { } left } => $"{left} tries left",
        _ => "the card does not tell its tries",
    };

    private static string UseOf(CardSlot slot) => (slot.Retired, slot.Use) switch
    {
        (true, _) => "opens old mail",
        (_, CardUse.Sign) => "signs",
        (_, CardUse.Decipher) => "opens mail",
        (_, CardUse.Ticket) => "KDC tickets",
        _ => "proves who you are",
    };

    private static X509Certificate2? Certificate(CardHeldKey key)
    {
        try
        {
            return key.Certificate.IsEmpty ? null : X509CertificateLoader.LoadCertificate(key.Certificate.Span);
        }
        catch (CryptographicException)
        {
            // Something else lies there; the key is shown without it.
            return null;
        }
    }
}
