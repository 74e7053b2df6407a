using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using GatewaySecure.KdcCore;
using GatewaySecure.SmartCard;

namespace GatewaySecure.CardEnrollment.Issuing;

/// <summary>
/// Issues one card, step by step. What was done is the KDC's record and the card itself, nothing of this program: a run that ended anywhere, or
/// was killed, is begun again and does only what is missing. The master key comes last: a card given up half-way opens nothing.
/// </summary>
internal sealed class IssuingRun(IIssuableCard card, IIssuingDesk desk, RSA transportKey, IssuingTerms terms, TimeProvider time)
{
    private const int MasterKeySize = 32;

    private readonly CardKeySet _keys = new(card, time);
    private readonly CardCodeSet _codes = new(card, terms.UserPin);

    /// <param name="stop">Heard between steps only: a step is finished, or the card fails.</param>
    /// <exception cref="CardException">The card failed, or its codes are others.</exception>
    /// <exception cref="AdministrationException">The KDC refuses.</exception>
    /// <exception cref="IOException">The KDC does not answer.</exception>
    /// <exception cref="IssuingDeclinedException">The operator did not confirm what it means.</exception>
    public async Task<IssuingRecord> RunAsync(IssuingOrder order, IProgress<CardStep>? progress, CancellationToken stop)
    {
        var record = await desk.OpenAsync(order, stop);
        progress?.Report(CardStep.Ordered);
        if (record.Step == CardStep.Done)
            return record;
        DemandConfirmation(record);
        _codes.Open(Candidates(record));
        var steps = new (CardStep Step, Func<IssuingRecord, Task<IssuingRecord>> Do)[]
        {
            (CardStep.KeysMade, MakeKeysAsync),
            (CardStep.KeyImported, ImportAsync),
            (CardStep.Certified, CertifyAsync),
            (CardStep.CodesSet, SetCodesAsync),
            (CardStep.MasterKeyWritten, WriteMasterKeyAsync),
            (CardStep.Done, FinishAsync),
        };
        foreach (var (step, work) in steps)
        {
            stop.ThrowIfCancellationRequested();
            record = await work(record);
            progress?.Report(step);
        }
        return record;
    }

    /// <summary>Before anything is changed on the card.</summary>
    private void DemandConfirmation(IssuingRecord record)
    {
        if (record.Step >= CardStep.KeysMade)
            return;
        if (record.EscrowedKey.IsEmpty && !terms.Confirm(
                "The encryption key is made on the card and nobody has a copy: if the card is lost or breaks, all S/MIME mail to it can't be read any more."))
            throw new IssuingDeclinedException();
        if (_keys.LosesDecipherKey(record.EscrowedKey.Span) && !terms.Confirm(
                "This card keeps one key for mail: the present one is lost on it. Old S/MIME mail needs that key from escrow, on another card."))
            throw new IssuingDeclinedException();
    }

    private IReadOnlyList<CardCodes> Candidates(IssuingRecord record)
    {
        var earlier = terms.PresentCodes ?? record.EarlierCodes ?? terms.FactoryCodes;
        return record.Step switch
        {
            >= CardStep.CodesSet => [record.Codes],
            CardStep.CodesBegun => [record.Codes, earlier],
            _ => [earlier],
        };
    }

    private async Task<IssuingRecord> MakeKeysAsync(IssuingRecord record)
    {
        if (record.Step >= CardStep.KeysMade && record.Keys.All(_keys.Holds))
            return record;
        if (record.Step >= CardStep.Certified)
            throw new AdministrationException("The card has other keys than those that were certified for it. Give this issuing up ('cardstation abandon') and begin anew.");
        _keys.RetireDecipherKey(record.EscrowedKey.Span);
        card.PutHolderName(record.HolderName);
        var order = record.Order;
        var keys = ImmutableArray.CreateBuilder<MadeKey>();
        keys.Add(_keys.Make(CardUse.Sign, order.Algorithm));
        keys.Add(_keys.Make(CardUse.Authenticate, order.Algorithm));
        // One key for both is on the tickets' curve.
        var shared = !order.HasAesSlot && _keys.SlotOf(CardUse.Ticket) == _keys.SlotOf(CardUse.Decipher);
        if (record.EscrowedKey.IsEmpty)
            keys.Add(_keys.Make(CardUse.Decipher, shared ? CardKeyAlgorithm.P256 : order.Algorithm));
        if (!order.HasAesSlot && !shared)
            keys.Add(_keys.Make(CardUse.Ticket, CardKeyAlgorithm.P256));
        return await desk.ReportKeysAsync(record, keys.ToImmutable(), CancellationToken.None);
    }

    private async Task<IssuingRecord> ImportAsync(IssuingRecord record)
    {
        if (record.EscrowedKey.IsEmpty || _keys.Holds(new MadeKey(CardUse.Decipher, record.EscrowedKey)))
            return record.Step >= CardStep.KeyImported ? record : await desk.ReportImportAsync(record, CancellationToken.None);
        using (var key = await FetchEncryptionKeyAsync(record))
            card.ImportKey(_keys.SlotOf(CardUse.Decipher), key, time.GetUtcNow());
        return await desk.ReportImportAsync(record, CancellationToken.None);
    }

    private async Task<AsymmetricAlgorithm> FetchEncryptionKeyAsync(IssuingRecord record)
    {
        var sealedKey = await desk.FetchEncryptionKeyAsync(record, CancellationToken.None);
        var clear = TransportEncryption.OpenPrivateKey(transportKey, sealedKey.Span);
        try
        {
            return TransportedKey.Read(clear, record.EscrowedKey.Span);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(clear);
        }
    }

    private async Task<IssuingRecord> CertifyAsync(IssuingRecord record)
    {
        if (record.Step < CardStep.Certified)
        {
            var requests = ImmutableArray.CreateBuilder<KeyRequest>();
            foreach (var use in record.RequestsWanted)
                requests.Add(await RequestAsync(record, use));
            record = await desk.CertifyAsync(record, requests.ToImmutable(), CancellationToken.None);
            _codes.ForIssuing();
        }
        foreach (var certificate in record.Certificates)
        {
            if (_keys.Present(certificate.Use) is not { } held || !held.Certificate.Span.SequenceEqual(certificate.Der.Span))
                card.PutCertificate(_keys.SlotOf(certificate.Use), certificate.Der);
        }
        return record;
    }

    /// <summary>The card signs for the keys that it made. For the one in escrow the station does, as most cards sign by no encryption key.</summary>
    private async Task<KeyRequest> RequestAsync(IssuingRecord record, CardUse use)
    {
        if (use == CardUse.Decipher)
        {
            // The CA elsewhere takes its time, and until then another run must find the keys.
            _keys.DemandShown();
            using var key = await FetchEncryptionKeyAsync(record);
            return CardKeySet.Request(use, key, record.HolderName);
        }
        _codes.ForUse(use);
        return _keys.Request(use, record.HolderName);
    }

    private async Task<IssuingRecord> SetCodesAsync(IssuingRecord record)
    {
        if (record.Step < CardStep.CodesBegun)
            record = await desk.BeginCodesAsync(record, CancellationToken.None);
        // This run's PIN is on the card already. Handed over before the record says so: it must not get lost.
        terms.Letter(new HolderLetter(record.Order.Serial, record.Order.Holder, terms.UserPin, record.Codes.Unblocking));
        _codes.Change(record.Codes);
        return record.Step >= CardStep.CodesSet ? record : await desk.ReportCodesAsync(record, CancellationToken.None);
    }

    private async Task<IssuingRecord> WriteMasterKeyAsync(IssuingRecord record)
    {
        if (record.Step >= CardStep.MasterKeyWritten)
            return record;
        var delivery = await desk.FetchMasterKeyAsync(record, CancellationToken.None);
        if (!delivery.SealedKey.IsEmpty)
        {
            var key = transportKey.Decrypt(delivery.SealedKey.Span, TransportEncryption.Padding);
            if (key.Length != MasterKeySize)
                throw new CryptographicException("What came from the vault is no master key.");
            // The card clears it, whatever happens.
            card.PutMasterKey(key);
        }
        card.PutIdentity(delivery.Identity.Encode());
        return await desk.ReportMasterKeyAsync(record, CancellationToken.None);
    }

    private async Task<IssuingRecord> FinishAsync(IssuingRecord record)
    {
        var receipt = Receipt.Of(record, time.GetUtcNow());
        _codes.ForUse(CardUse.Sign);
        return await desk.FinishAsync(record, receipt, _keys.Sign(CardUse.Sign, Encoding.UTF8.GetBytes(receipt)), CancellationToken.None);
    }
}

/// <summary>What the people at the station say about a run.</summary>
/// <param name="UserPin">The user's own, or a random one.</param>
/// <param name="PresentCodes">The card's codes as the operator knows them; null: as the record says.</param>
/// <param name="FactoryCodes">Of a card that was never issued.</param>
/// <param name="Letter">Takes the PIN over, each time it is another one.</param>
/// <param name="Confirm">Asks the operator whether what he reads may be.</param>
internal sealed record IssuingTerms(
    string UserPin, CardCodes? PresentCodes, CardCodes FactoryCodes, Action<HolderLetter> Letter, Func<string, bool> Confirm);

/// <summary>The operator was told what it means, and did not confirm.</summary>
internal sealed class IssuingDeclinedException() : Exception("Not confirmed; nothing was changed on the card.");
