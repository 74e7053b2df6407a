using GatewaySecure.Addresses;

namespace GatewaySecure.KdcCore;

/// <summary>
/// The KDC as its requesters see it: DER in, DER out (docs/formats/kdc-mail.md §7), over any carrier. Every answer,
/// a refusal too, is octets; an exception means that the KDC could not make an answer durable, and none was made.
/// </summary>
public interface IKdc
{
    /// <summary><c>ChallengeRequest</c> → <c>Answer</c>.</summary>
    ValueTask<byte[]> ChallengeAsync(ReadOnlyMemory<byte> request, CancellationToken cancellationToken);

    /// <summary><c>Request</c> of tickets → <c>Answer</c>.</summary>
    ValueTask<byte[]> RequestTicketsAsync(ReadOnlyMemory<byte> request, CancellationToken cancellationToken);

    /// <summary><c>Request</c> of an exchange → <c>Answer</c>.</summary>
    ValueTask<byte[]> ExchangeAsync(ReadOnlyMemory<byte> request, CancellationToken cancellationToken);
}

/// <summary>
/// Looks at principals without asking for anything. Not part of the wire protocol: for a caller that the
/// KDC's carrier already authenticated, or that runs in its process.
/// </summary>
public interface IKdcDirectory
{
    /// <summary>Null where the principal is in good standing and still holds the address, else why not, one plain sentence.</summary>
    ValueTask<string?> StandingAsync(TicketParty party, CancellationToken cancellationToken);

    /// <summary>What a request for this recipient would meet now.</summary>
    ValueTask<AddressPreview> PreviewAsync(MailAddress address, CancellationToken cancellationToken);
}

/// <summary>What the carrier knows of whoever asks.</summary>
/// <param name="Certificate">SHA-256 of the client certificate whose key TLS proved, 64 hexadecimal digits in upper case; null: none.</param>
/// <param name="InProcess">Asks from the KDC's own process, where no carrier is.</param>
public sealed record KdcPeer(string? Certificate, bool InProcess = false)
{
    public static KdcPeer Local { get; } = new(null, InProcess: true);

    /// <summary>A gateway comes by mutual TLS with the certificate on its record, as well as with its key; others need the key alone.</summary>
    public bool MayComeAs(Principal principal) =>
        InProcess || principal.Kind != PrincipalKind.Gateway || (Certificate is { } shown && principal.Certificates.Contains(shown));
}

/// <summary>What a request for a recipient would meet.</summary>
/// <param name="Refusal">Null where a ticket would be issued, else why not, one plain sentence.</param>
public sealed record AddressPreview(MailAddress Address, PrincipalId? Principal, int? Kvno, string? Refusal);

/// <summary>What a KDC is set up with.</summary>
/// <param name="TicketLifetime">How long a mail may wait to be sent.</param>
/// <param name="RequestsPerSecond">Tokens that each principal's bucket gains in a second; one request costs one.</param>
/// <param name="Burst">What a bucket holds at most.</param>
public sealed record KdcOptions(Realm Realm, TimeSpan TicketLifetime, double RequestsPerSecond, int Burst)
{
    /// <summary>Seven days, longer than any usual retry time; 1000 requests a second.</summary>
    public static KdcOptions For(Realm realm) => new(realm, TimeSpan.FromDays(7), 1000, 2000);
}

/// <summary>What a KDC stands on.</summary>
public sealed record KdcPorts(
    IPrincipalStore Principals, IMasterKeyStore Keys, IIssueRecordStore Issues, IAuditChain Audit, IMasterKeyVault Vault)
{
    /// <summary>Null: no cards without an AES slot here.</summary>
    public RealmKey? Realm { get; init; }
}
