using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using GatewaySecure.CardEnrollment.Issuing;
using GatewaySecure.HsmAdapter;
using GatewaySecure.KdcCore;
using GatewaySecure.SmartCard;

namespace GatewaySecure.CardEnrollment.Tests;

/// <summary>
/// The KDC's rules for one card at a time, with a real vault and without a network: steps in their order, each answered the same when asked
/// again, one set of certificates for one set of keys. Can fail before or after each call.
/// </summary>
internal sealed class RecordDesk(SoftwareVault vault, RealmKey realmKey, ReadOnlyMemory<byte> transportKey, EscrowAlgorithm? escrow) : IIssuingDesk
{
    private static readonly Realm ExampleRealm = Realm.Parse("example.org");
    private readonly ECDsa _ca = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly PrincipalId _holder = PrincipalId.New();
    private EscrowedKey? _escrowed;
    private WrappedMasterKey? _master;
    private ReadOnlyMemory<byte> _point;

    /// <summary>Called at each side of each call.</summary>
    public Action Point { get; set; } = () => { };

    public IssuingRecord? Record { get; private set; }

    /// <summary>Every certificate that was ever made.</summary>
    public List<CardCertificate> Issued { get; } = [];

    public (string Text, byte[] Signature)? Receipt { get; private set; }

    public int Kvno { get; private set; }

    public ValueTask<byte[]> DecryptAsync(byte[] blocks) => vault.DecryptBlocksAsync(_master!, blocks, default);

    /// <summary>The holder's next issuing of the same card.</summary>
    public async Task RenewAsync()
    {
        var generation = int.Parse(Record!.Id, null) + 1;
        _escrowed = null;
        _master = null;
        Receipt = null;
        var before = Record;
        Record = null;
        await OpenAsync(before.Order, default);
        Record = Record! with { Id = generation.ToString("D", null), EarlierCodes = before.Codes, Codes = Codes(before.Order, generation) };
    }

    public Task<IssuingRecord> OpenAsync(IssuingOrder order, CancellationToken cancellationToken) => AtAsync(async () =>
    {
        if (Record is null)
        {
            if (escrow is { } algorithm)
                _escrowed = await vault.GenerateEscrowedAsync(_holder, algorithm, default);
            Record = new IssuingRecord("1", order, CardStep.Ordered, _holder, "Bob Example", _escrowed?.PublicKey ?? default, Codes(order, 1), null)
            {
                RequestsWanted = [CardUse.Sign, CardUse.Authenticate],
            };
        }
        Assert.Equal(order, Record.Order);
        return Record;
    });

    public Task<IssuingRecord> ReportKeysAsync(IssuingRecord record, ImmutableArray<MadeKey> keys, CancellationToken cancellationToken) =>
        ToAsync(CardStep.KeysMade, record, r =>
        {
            Assert.True(r.Step < CardStep.Certified, "Certified keys were replaced.");
            _point = keys.FirstOrDefault(k => k.Use == CardUse.Ticket)?.PublicKey ?? default;
            return r with { Keys = keys };
        });

    public Task<ReadOnlyMemory<byte>> FetchEncryptionKeyAsync(IssuingRecord record, CancellationToken cancellationToken) =>
        AtAsync(async () => (ReadOnlyMemory<byte>)await vault.SendEscrowedAsync(_escrowed!, transportKey, default));

    public Task<IssuingRecord> ReportImportAsync(IssuingRecord record, CancellationToken cancellationToken) => ToAsync(CardStep.KeyImported, record, r => r);

    public Task<IssuingRecord> CertifyAsync(IssuingRecord record, ImmutableArray<KeyRequest> requests, CancellationToken cancellationToken) =>
        ToAsync(CardStep.Certified, record, r =>
        {
            if (r.Step >= CardStep.Certified)
                return r;
            var certificates = r.Keys.Where(k => k.Use != CardUse.Ticket).ToList();
            if (_escrowed is not null)
                certificates.Add(new MadeKey(CardUse.Decipher, _escrowed.PublicKey));
            foreach (var request in requests)
            {
                // Its signature is looked at by this.
                var read = CertificateRequest.LoadSigningRequest(request.Pkcs10.ToArray(), HashAlgorithmName.SHA256);
                Assert.Equal(read.PublicKey.ExportSubjectPublicKeyInfo(), certificates.Single(c => c.Use == request.Use).PublicKey.ToArray());
            }
            Assert.Equal([CardUse.Sign, CardUse.Authenticate], requests.Select(q => q.Use));
            var made = certificates.Select(Certify).ToImmutableArray();
            Issued.AddRange(made);
            return r with { Certificates = made };
        });

    public Task<IssuingRecord> BeginCodesAsync(IssuingRecord record, CancellationToken cancellationToken) => ToAsync(CardStep.CodesBegun, record, r => r);

    public Task<IssuingRecord> ReportCodesAsync(IssuingRecord record, CancellationToken cancellationToken) => ToAsync(CardStep.CodesSet, record, r => r);

    public Task<MasterKeyDelivery> FetchMasterKeyAsync(IssuingRecord record, CancellationToken cancellationToken) => AtAsync(async () =>
    {
        Assert.Equal(CardStep.CodesSet, Record!.Step);
        _master ??= await vault.GenerateAsync(new MasterKeyName(_holder, ++Kvno), default);
        var identity = new CardIdentity(ExampleRealm, _holder, Kvno, Record.Order.Holder);
        return Record.Order.HasAesSlot
            ? new MasterKeyDelivery(await vault.SendAsync(_master, transportKey, default), new EnrolledCard(identity))
            : new MasterKeyDelivery(default, new EnrolledCard(identity, realmKey.PublicKey));
    });

    public Task<IssuingRecord> ReportMasterKeyAsync(IssuingRecord record, CancellationToken cancellationToken) => ToAsync(CardStep.MasterKeyWritten, record, r => r);

    public Task<IssuingRecord> FinishAsync(IssuingRecord record, string receipt, ReadOnlyMemory<byte> signature, CancellationToken cancellationToken) =>
        ToAsync(CardStep.Done, record, r =>
        {
            Receipt = (receipt, signature.ToArray());
            return r;
        });

    private static CardCodes Codes(IssuingOrder order, int generation)
    {
        string Digits(string what) => string.Concat(SHA256.HashData(Encoding.UTF8.GetBytes($"{what}/{order.Serial}/{generation}")).Take(8).Select(b => b % 10));
        return order.Kind switch
        {
            CardKind.Piv => new CardCodes(Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes($"{order.Serial}/{generation}")).AsSpan(0, 24)), Digits("puk")),
            CardKind.Token => new CardCodes(Digits("so"), null),
            _ => new CardCodes(Digits("admin"), Digits("reset")),
        };
    }

    private CardCertificate Certify(MadeKey key)
    {
        var publicKey = PublicKey.CreateFromSubjectPublicKeyInfo(key.PublicKey.Span, out _);
        var request = new CertificateRequest(new X500DistinguishedName("CN=Bob Example"), publicKey, HashAlgorithmName.SHA256);
        var now = DateTimeOffset.UtcNow;
        using var made = request.Create(
            new X500DistinguishedName("CN=Test CA"), X509SignatureGenerator.CreateForECDsa(_ca), now.AddDays(-1), now.AddDays(30), RandomNumberGenerator.GetBytes(8));
        return new CardCertificate(key.Use, made.RawData);
    }

    private Task<IssuingRecord> ToAsync(CardStep step, IssuingRecord seen, Func<IssuingRecord, IssuingRecord> change) => AtAsync(() =>
    {
        Assert.Equal(Record!.Id, seen.Id);
        // One step at a time; one that was done before is answered as then.
        Assert.True(Record.Step + 1 >= step, $"{step} after {Record.Step}.");
        var changed = change(Record);
        Record = changed with { Step = step > Record.Step ? step : Record.Step };
        return Task.FromResult(Record);
    });

    private async Task<T> AtAsync<T>(Func<Task<T>> call)
    {
        Point();
        var answer = await call();
        Point();
        return answer;
    }
}
