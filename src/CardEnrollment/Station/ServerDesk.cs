using System.Collections.Immutable;
using System.Security.Cryptography;
using GatewaySecure.Addresses;
using GatewaySecure.CardEnrollment.Issuing;
using GatewaySecure.KdcCore;
using GatewaySecure.KdcTransport;
using GatewaySecure.KdcTransport.Operator;
using GatewaySecure.SmartCard;

namespace GatewaySecure.CardEnrollment.Station;

/// <summary>The KDC server as issuing needs it, over the operator's session.</summary>
/// <param name="until">A temporary card's end.</param>
internal sealed class ServerDesk(OperatorClient client, DateTimeOffset? until) : IIssuingDesk
{
    public async Task<IssuingRecord> OpenAsync(IssuingOrder order, CancellationToken cancellationToken) => Read(await client.OrderCardAsync(
        new CardOrderBody(order.Holder.ToString(), order.Serial, order.Kind.ToString(), order.HasAesSlot, order.Algorithm.ToString(), until), cancellationToken));

    public async Task<IssuingRecord> ReportKeysAsync(IssuingRecord record, ImmutableArray<MadeKey> keys, CancellationToken cancellationToken) =>
        Read(await client.ReportKeysAsync(record.Id, keys.Select(k => new CardKeyView(k.Use.ToString(), k.PublicKey.ToArray())), cancellationToken));

    public async Task<ReadOnlyMemory<byte>> FetchEncryptionKeyAsync(IssuingRecord record, CancellationToken cancellationToken) =>
        (await client.FetchEncryptionKeyAsync(record.Id, cancellationToken)).Key;

    public async Task<IssuingRecord> ReportImportAsync(IssuingRecord record, CancellationToken cancellationToken) =>
        Read(await client.ReportImportAsync(record.Id, cancellationToken));

    public async Task<IssuingRecord> CertifyAsync(IssuingRecord record, ImmutableArray<KeyRequest> requests, CancellationToken cancellationToken) =>
        Read(await client.CertifyAsync(record.Id, requests.Select(r => new CardRequestBody(r.Use.ToString(), r.Pkcs10.ToArray())), cancellationToken));

    public async Task<IssuingRecord> BeginCodesAsync(IssuingRecord record, CancellationToken cancellationToken) =>
        Read(await client.BeginCodesAsync(record.Id, cancellationToken));

    public async Task<IssuingRecord> ReportCodesAsync(IssuingRecord record, CancellationToken cancellationToken) =>
        Read(await client.ReportCodesAsync(record.Id, cancellationToken));

    public async Task<MasterKeyDelivery> FetchMasterKeyAsync(IssuingRecord record, CancellationToken cancellationToken)
    {
        var answer = await client.FetchMasterKeyAsync(record.Id, cancellationToken);
        return new MasterKeyDelivery(answer.Key, EnrolledCard.Decode(answer.Identity) ?? throw Unreadable());
    }

    public async Task<IssuingRecord> ReportMasterKeyAsync(IssuingRecord record, CancellationToken cancellationToken) =>
        Read(await client.ReportMasterKeyAsync(record.Id, cancellationToken));

    public async Task<IssuingRecord> FinishAsync(IssuingRecord record, string receipt, ReadOnlyMemory<byte> signature, CancellationToken cancellationToken) =>
        Read(await client.FinishAsync(record.Id, new CardReceiptBody(receipt, signature.ToArray()), cancellationToken));

    private static IssuingRecord Read(CardView view)
    {
        var order = view.Order;
        if (!MailAddress.TryParse(order.Address, out var address) || !PrincipalId.TryParse(view.Holder, out var holder))
            throw Unreadable();
        var keys = view.Keys.Select(k => (Use: Word<CardUse>(k.Use), k.PublicKey, k.Certificate)).ToImmutableArray();
        return new IssuingRecord(
            view.Id,
            new IssuingOrder(address, order.Serial, Word<CardKind>(order.Kind), order.HasAesSlot, Word<CardKeyAlgorithm>(order.Algorithm)),
            Word<CardStep>(view.Step), holder, view.HolderName, view.EscrowedKey,
            view.Codes is { } codes ? Codes(codes) : new CardCodes("", null),
            view.EarlierCodes is { } earlier ? Codes(earlier) : null)
        {
            // What the card itself made; the key from escrow is known apart.
            Keys = [.. keys.Where(k => !k.PublicKey.AsSpan().SequenceEqual(view.EscrowedKey)).Select(k => new MadeKey(k.Use, k.PublicKey))],
            RequestsWanted = [.. view.RequestsWanted.Select(Word<CardUse>)],
            Certificates = [.. keys.Where(k => k.Certificate is not null).Select(k => new CardCertificate(k.Use, k.Certificate))],
        };
    }

    private static CardCodes Codes(CardCodesView codes) => new(codes.Administrator, codes.Unblocking);

    private static T Word<T>(string word)
        where T : struct, Enum => Enum.TryParse<T>(word, out var value) && Enum.IsDefined(value) ? value : throw Unreadable();

    private static KdcUnavailableException Unreadable() => new("The KDC's answer about the card is not readable.");
}
