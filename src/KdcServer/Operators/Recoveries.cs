using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using GatewaySecure.KdcCore;
using GatewaySecure.KdcTransport.Operator;

namespace GatewaySecure.KdcServer.Operators;

/// <summary>
/// Old encryption keys of a leaver or of a lost card, given out only by two operators' cards, with a reason, to a new card and never to a file
/// (docs/kdc.md, Recovery). A request lives an hour and not beyond the server's stop; what was done stands in the audit. Signing keys are not
/// here: they never were anywhere but on their cards. Thread-safe.
/// </summary>
internal sealed class Recoveries(CardWork work)
{
    private const int Most = 100;

    private static readonly TimeSpan Lifetime = TimeSpan.FromHours(1);

    private readonly ConcurrentDictionary<string, Pending> _pending = new();

    public async Task<RecoveryView> RequestAsync(OperatorSession by, RecoveryBody body, CancellationToken cancellationToken)
    {
        if (string.IsNullOrWhiteSpace(body.Reason) || body.Reason.Length > 500 || body.Reason.Any(char.IsControl))
            throw new AdministrationException("A reason is needed, of at most 500 characters in one line.");
        var principal = PrincipalId.TryParse(body.Principal, out var id) ? await work.Ports.Principals.FindAsync(id, cancellationToken) : null;
        if (principal is null)
            throw new AdministrationException("There is no such principal.");
        var card = await work.GetAsync(body.Card, cancellationToken);
        if (!card.IsLiving)
            throw new AdministrationException($"Card {card.Order.Serial} is {card.Standing.ToString().ToLowerInvariant()}; keys go to a card that is good.");
        if ((await KeysAsync(principal.Id, card, cancellationToken)).Count == 0)
            throw new AdministrationException($"Nothing of {principal.Name} is in escrow besides what card {card.Order.Serial} has.");
        foreach (var (old, done) in _pending)
        {
            if (done.Until <= work.Now)
                _pending.TryRemove(old, out _);
        }
        if (_pending.Count >= Most)
            throw new AdministrationException("Too many recoveries are open; finish those, or wait an hour.");
        var pending = new Pending(Guid.NewGuid().ToString("N"), principal, card, body.Reason, by.Operator, Convert.ToHexString(SHA256.HashData(by.TransportKey.Span)), work.Now + Lifetime);
        await work.AuditAsync(by.Actor, "recovery.request", card, $"recovery={pending.Id} of={principal.Id} reason={body.Reason}", cancellationToken);
        _pending[pending.Id] = pending;
        return Show(pending, by);
    }

    public RecoveryView[] List(OperatorSession by) => [.. _pending.Values.Where(p => p.Until > work.Now && !p.IsDone).OrderBy(p => p.Until).Select(p => Show(p, by))];

    /// <summary>By another operator, whose card signs what it does.</summary>
    public async Task<RecoveryView> ApproveAsync(OperatorSession by, string id, RecoveryApproval approval, CancellationToken cancellationToken)
    {
        var pending = Get(id);
        if (by.Operator.Id == pending.RequestedBy.Id)
            throw new AdministrationException("A recovery needs two operators; the one who requested it can't approve it.");
        if (!CardSignature.Holds(by.PublicKey, Encoding.UTF8.GetBytes(TextFor(pending, by)), approval.Signature))
            throw new AdministrationException("The signature is not one of your card for this recovery.");
        await work.AuditAsync(
            by.Actor, "recovery.approve", pending.Card, $"recovery={id} of={pending.Principal.Id} signature={Convert.ToBase64String(approval.Signature)}", cancellationToken);
        lock (pending)
            pending.ApprovedBy ??= by.Operator;
        return Show(pending, by);
    }

    /// <summary>Once, for who requested it, at the station where he did.</summary>
    public async Task<RecoveredKeys> CollectAsync(OperatorSession by, string id, CancellationToken cancellationToken)
    {
        var pending = Get(id);
        if (by.Operator.Id != pending.RequestedBy.Id || Convert.ToHexString(SHA256.HashData(by.TransportKey.Span)) != pending.Station)
            throw new AdministrationException("The keys go to the operator who requested them, at the station where he did.");
        var approver = pending.ApprovedBy ?? throw new AdministrationException("Another operator has not approved this recovery yet.");
        if ((await work.Ports.Principals.FindAsync(approver.Id, cancellationToken))?.Objection(work.Now) is { } objection)
            throw new AdministrationException($"{approver.Name}, who approved this recovery, {objection}.");
        if (!(await work.GetAsync(pending.Card.Id.ToString(), cancellationToken)).IsLiving)
            throw new AdministrationException($"Card {pending.Card.Order.Serial} is not good any more.");
        lock (pending)
        {
            if (pending.IsDone)
                throw new AdministrationException("These keys were given out already; request them anew.");
            pending.IsDone = true;
        }
        var keys = await KeysAsync(pending.Principal.Id, pending.Card, cancellationToken);
        // Before a key leaves: a release that nobody recorded must not exist.
        await work.AuditAsync(
            by.Actor, "recovery.release", pending.Card,
            $"recovery={id} of={pending.Principal.Id} approved-by={approver.Id} keys={string.Join(',', keys.Select(k => Convert.ToHexStringLower(k.Key.Id)))}", cancellationToken);
        var views = new List<RecoveredKeyView>();
        foreach (var (key, certificate) in keys)
            views.Add(new RecoveredKeyView(key.PublicKey.ToArray(), await work.Vault.SendEscrowedAsync(key, by.TransportKey, cancellationToken), certificate?.Der.ToArray()));
        return new RecoveredKeys([.. views]);
    }

    /// <summary>All in escrow but what the card has anyway, those with the youngest certificates first.</summary>
    private async Task<List<(EscrowedKey Key, CertificateRecord? Certificate)>> KeysAsync(PrincipalId of, CardRecord card, CancellationToken cancellationToken)
    {
        var certificates = (await work.Certificates.OfAsync(of, cancellationToken)).Where(c => c.Use == CertificateUse.MailEncryption)
            .GroupBy(c => Convert.ToHexString(SHA256.HashData(PublicKeyOf(c))))
            .ToDictionary(g => g.Key, g => g.MaxBy(c => c.NotAfter)!);
        return
        [
            .. (await work.Escrow.OfAsync(of, cancellationToken))
                .Where(k => !k.Id.AsSpan().SequenceEqual(card.EscrowId.Span))
                .Select(k => (k, certificates.GetValueOrDefault(Convert.ToHexString(k.Id))))
                .OrderByDescending(k => k.Item2?.NotAfter ?? DateTimeOffset.MinValue),
        ];
    }

    private static byte[] PublicKeyOf(CertificateRecord record)
    {
        using var certificate = System.Security.Cryptography.X509Certificates.X509CertificateLoader.LoadCertificate(record.Der.Span);
        return certificate.PublicKey.ExportSubjectPublicKeyInfo();
    }

    private Pending Get(string id) => _pending.TryGetValue(id, out var pending) && pending.Until > work.Now
        ? pending
        : throw new AdministrationException("There is no such recovery, or its hour is over.");

    private string TextFor(Pending pending, OperatorSession by) => RecoveryText.Of(
        work.Realm.Name, pending.Id, pending.Principal.Id.ToString(), pending.Card.Id.ToString(), pending.RequestedBy.Id.ToString(), by.Operator.Id.ToString(), pending.Reason);

    private RecoveryView Show(Pending p, OperatorSession by) => new(
        p.Id, p.Principal.Id.ToString(), p.Principal.Name, p.Card.Id.ToString(), p.Card.Order.Serial, p.Reason, p.RequestedBy.Name, p.ApprovedBy?.Name,
        p.IsDone ? "done" : p.ApprovedBy is not null ? "approved" : "requested", p.Until, TextFor(p, by));

    private sealed record Pending(string Id, Principal Principal, CardRecord Card, string Reason, Principal RequestedBy, string Station, DateTimeOffset Until)
    {
        public Principal? ApprovedBy { get; set; }

        public bool IsDone { get; set; }
    }
}
