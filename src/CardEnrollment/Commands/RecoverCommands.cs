using System.CommandLine;
using System.Security.Cryptography;
using System.Text;
using GatewaySecure.CardEnrollment.Issuing;
using GatewaySecure.Cards;
using GatewaySecure.KdcCore;
using GatewaySecure.KdcTransport.Operator;
using GatewaySecure.SmartCard;

namespace GatewaySecure.CardEnrollment.Commands;

/// <summary><c>cardstation recover</c>: keys for old mail come to a new card, by two operators' cards and to no file.</summary>
internal static class RecoverCommands
{
    private static readonly Argument<string> Id = new("ID") { Description = "The recovery, as 'recover request' printed it." };

    public static Command Create() => new("recover", """
        Brings the escrowed keys of a lost card, or of somebody who left, to the card in the reader. One operator requests, another one approves at his own station or
        here, then the first one collects, within an hour.

        Example:
          cardstation recover request --address bob@example.org --reason "card lost in the train"
          cardstation recover approve 4f1a…
          cardstation recover collect 4f1a…
        """)
    {
        Request(), List(), Approve(), Collect(),
    };

    private static Command Request()
    {
        var address = new Option<string>("--address") { Description = "Whose keys.", Required = true };
        var command = new Command("request", "Asks for somebody's old keys, for the card in the reader.") { address, StationOptions.Reason }.WithCard().WithSession();
        command.SetAction((parsed, ct) => StationOptions.InSessionAsync(parsed, async (place, ended) =>
        {
            using var connection = place.OpenCard();
            using var session = connection.Card.BeginSession();
            var target = await RecordAsync(place, connection.Card, ended);
            var whose = await place.Client.FindUserAsync(parsed.GetRequiredValue(address), ended)
                ?? throw new AdministrationException($"Nobody holds {parsed.GetRequiredValue(address)}.");
            if (connection.Card.RetiredSlots.Count == 0)
                throw new CardException(CardFault.NotSupported, "This card has no place for keys of old mail: issue a PIV card or a token.");
            Tell(place, await place.Client.RequestRecoveryAsync(new RecoveryBody(whose.Id, target.Id, parsed.GetRequiredValue(StationOptions.Reason)), ended));
            return ExitStatus.Done;
        }, ct));
        return command;
    }

    private static Command List()
    {
        var command = new Command("list", "Recoveries that are not at their end.").WithSession();
        command.SetAction((parsed, ct) => StationOptions.InSessionAsync(parsed, async (place, ended) =>
        {
            foreach (var recovery in await place.Client.RecoveriesAsync(ended))
                Tell(place, recovery);
            return ExitStatus.Done;
        }, ct));
        return command;
    }

    private static Command Approve()
    {
        var command = new Command("approve", "The second operator's word: his card signs all that the recovery does. It asks for his PIN once more.")
        {
            Id, StationOptions.Yes,
        }.WithSession();
        command.SetAction((parsed, ct) => StationOptions.InSessionAsync(parsed, async (place, ended) =>
        {
            var recovery = await FindAsync(place, ended);
            Tell(place, recovery);
            if (!place.Confirm($"{recovery.RequestedBy} asks for the old keys of {recovery.PrincipalName}, for card {recovery.CardSerial}: {recovery.Reason}"))
                throw new IssuingDeclinedException();
            DemandShown(recovery, place.Session.Facts);
            var pin = StationOptions.OperatorSecret(parsed, "Operator's PIN, to approve: ");
            try
            {
                Tell(place, await place.Client.ApproveRecoveryAsync(recovery.Id, place.Session.Sign(Encoding.UTF8.GetBytes(recovery.Text), pin), ended));
            }
            finally
            {
                Array.Clear(pin);
            }
            return ExitStatus.Done;
        }, ct));
        return command;
    }

    /// <summary>The card signs what was shown, and nothing else that a server may send.</summary>
    /// <exception cref="InvalidDataException">The text says something else.</exception>
    private static void DemandShown(RecoveryView recovery, LogOnAnswer facts)
    {
        var requestedBy = recovery.Text.Split('\n').ElementAtOrDefault(5) ?? "";
        if (RecoveryText.Of(facts.Realm, recovery.Id, recovery.Principal, recovery.Card, requestedBy, facts.Operator, recovery.Reason) != recovery.Text)
            throw new InvalidDataException("What the server asks to be signed is not this recovery; nothing was signed.");
    }

    private static Command Collect()
    {
        var letter = new Option<string?>("--letter") { Description = "A token gets a new PIN by this: file for the letter, readable by you alone; without it the letter is printed." };
        var command = new Command("collect", "Puts the keys on the card in the reader, for old mail. The KDC gives them out once: interrupted, it needs a new recovery, which passes over what is there.")
        {
            Id, letter,
        }.WithCard().WithSession();
        command.SetAction((parsed, ct) => StationOptions.InSessionAsync(parsed, async (place, ended) =>
        {
            using var connection = place.OpenCard();
            var card = connection.Card;
            using var session = card.BeginSession();
            var target = await RecordAsync(place, card, ended);
            var recovery = await FindAsync(place, ended);
            if (recovery.Card != target.Id)
                throw new AdministrationException($"This recovery is for card {recovery.CardSerial}; another one is in the reader.");
            await OpenForIssuerAsync(place, card, target, recovery, parsed.GetValue(letter), ended);
            // No mail is under a key that was never certified.
            var keys = (await place.Client.CollectRecoveryAsync(recovery.Id, ended)).Keys.Where(k => k.Certificate is not null).ToArray();
            // Oldest first, so that the newest of them is found first by programs that go through slots from the end.
            foreach (var key in keys.Reverse())
            {
                ended.ThrowIfCancellationRequested();
                Put(card, key, place.Session.TransportKey);
            }
            place.Tell($"{keys.Length} keys for old mail are on card {target.Order.Serial}.", new { card = target.Id, keys = keys.Length });
            return ExitStatus.Done;
        }, ct));
        return command;
    }

    private static async Task OpenForIssuerAsync(
        Workplace place, IIssuableCard card, CardView target, RecoveryView recovery, string? letterFile, CancellationToken ended)
    {
        var codes = await place.Client.UnblockAsync(target.Id, $"recovery {recovery.Id}", ended);
        if (card.Kind != CardKind.Token)
        {
            switch (card.Verify(CardPin.Administrator, codes.Administrator, CardUse.Authenticate))
            {
                case PinResult.Ok:
                    return;
                case var refused:
                    throw new CardException(CardFault.PinNeeded, $"The card's administrator's code is another one ({refused.GetType().Name.ToLowerInvariant()}).");
            }
        }
        // A token's keys come under its user's PIN, which nobody here knows.
        var pin = CardCodeSet.RandomPin();
        Letters.Deliver(new HolderLetter(target.Order.Serial, Addresses.MailAddress.Parse(target.Order.Address), pin, codes.Unblocking), letterFile);
        new CardCodeSet(card, pin).Open([new CardCodes(codes.Administrator, codes.Unblocking)]);
    }

    private static void Put(IIssuableCard card, RecoveredKeyView recovered, RSA transportKey)
    {
        var held = card.ReadKeys();
        var present = held.FirstOrDefault(k => k.Slot.Use == CardUse.Decipher && CardKeySet.PublicKeyInfo(k.Public).AsSpan().SequenceEqual(recovered.PublicKey));
        var slot = present?.Slot ?? card.RetiredSlots.FirstOrDefault(s => held.All(k => k.Slot.Name != s.Name))
            ?? throw new CardException(CardFault.Protocol, "The card has no place left for old keys.");
        if (present is null)
        {
            var clear = TransportEncryption.OpenPrivateKey(transportKey, recovered.Key);
            try
            {
                using var key = TransportedKey.Read(clear, recovered.PublicKey);
                card.ImportKey(slot, key, TimeProvider.System.GetUtcNow());
            }
            finally
            {
                CryptographicOperations.ZeroMemory(clear);
            }
        }
        if (recovered.Certificate is { } certificate && !(present?.Certificate.Span.SequenceEqual(certificate) ?? false))
            card.PutCertificate(slot, certificate);
    }

    private static async Task<CardView> RecordAsync(Workplace place, IIssuableCard card, CancellationToken ended) =>
        await place.LatestAsync(card.Describe(), ended) ?? throw new AdministrationException("This card was never issued here: issue it first.");

    private static async Task<RecoveryView> FindAsync(Workplace place, CancellationToken ended)
    {
        var id = place.Parsed.GetRequiredValue(Id);
        return (await place.Client.RecoveriesAsync(ended)).FirstOrDefault(r => r.Id == id)
            ?? throw new AdministrationException($"There is no open recovery {id}.");
    }

    private static void Tell(Workplace place, RecoveryView recovery) => place.Tell(
        $"{recovery.Id}  {recovery.State,-9} until {recovery.Until:u}  keys of {recovery.PrincipalName} for card {recovery.CardSerial}: {recovery.Reason}",
        new { recovery.Id, recovery.State, recovery.Until, principal = recovery.Principal, name = recovery.PrincipalName, card = recovery.CardSerial, recovery.Reason, recovery.RequestedBy, recovery.ApprovedBy });
}
