using System.Security.Cryptography;

namespace GatewaySecure.KdcCore;

/// <summary>
/// Gives a gateway its master key, once (docs/kdc.md): an operator allows it and hands over a token; whoever shows the token, and comes with
/// the certificate on the gateway's record, gets a new key encrypted to its vault. A wrong token ends the permission.
/// </summary>
public sealed class GatewayEnrolment(Realm realm, KdcPorts ports, TimeProvider time)
{
    private const int TokenSize = 16;

    private DateTimeOffset Now => Der.WholeSeconds(time.GetUtcNow());

    /// <param name="actor">The operator, for the audit.</param>
    /// <returns>The token: 32 hexadecimal digits, of which only the hash is kept.</returns>
    public async ValueTask<string> AllowAsync(PrincipalId gateway, TimeSpan lifetime, string actor, CancellationToken cancellationToken)
    {
        var principal = await ports.Principals.FindAsync(gateway, cancellationToken);
        if (principal is not { Kind: PrincipalKind.Gateway })
            throw new AdministrationException("Only a gateway is enrolled; a user's key comes with his card.");
        if (principal.Objection(Now) is { } objection)
            throw new AdministrationException($"{principal.Name} {objection}.");
        if (principal.Certificates.IsEmpty)
            throw new AdministrationException($"{principal.Name} has no TLS client certificate on record; the key would be anybody's who has the token.");
        var token = RandomNumberGenerator.GetBytes(TokenSize);
        var until = Now + lifetime;
        await SaveAsync(
            principal with { Enrolment = new PendingEnrolment(SHA256.HashData(token), until) },
            "enrolment.allow", actor, $"until={until:u}", null, cancellationToken);
        return Convert.ToHexStringLower(token);
    }

    /// <param name="transportKey">SubjectPublicKeyInfo of the gateway's vault.</param>
    public async ValueTask<EnrolmentOutcome> RedeemAsync(
        string token, KdcPeer peer, ReadOnlyMemory<byte> transportKey, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(peer);
        // One sentence for everything that a stranger can try.
        var refused = new EnrolmentOutcome.Refused("This token and this TLS client certificate allow no enrolment.");
        var gateway = peer.Certificate is { } shown ? await ports.Principals.FindByCertificateAsync(shown, PrincipalKind.Gateway, cancellationToken) : null;
        if (gateway?.Enrolment is not { } pending || gateway.Objection(Now) is not null)
            return refused;
        var octets = Id128.TryParse(token, out var value) ? Id128.Write(value) : [];
        if (Now >= pending.Until || !CryptographicOperations.FixedTimeEquals(SHA256.HashData(octets), pending.TokenHash.Span))
        {
            await SaveAsync(
                gateway with { Enrolment = null }, "enrolment.refuse", gateway.Id.ToString(), "a wrong token, or too late", null, cancellationToken);
            return refused;
        }
        using var rsa = TransportEncryption.ReadKey(transportKey.Span);
        if (rsa is null)
            return new EnrolmentOutcome.Refused($"The transport key is not an RSA key of at least {TransportEncryption.MinimumBits} bits.");
        if (await ports.Vault.ObjectionToAsync(transportKey, cancellationToken) is { } objection)
            return new EnrolmentOutcome.Refused(objection);
        var key = await ports.Vault.GenerateAsync(new MasterKeyName(gateway.Id, gateway.Kvno + 1), cancellationToken);
        // Before the key leaves: the token is used up, and the release is on record.
        await SaveAsync(
            gateway with { Enrolment = null, Kvno = key.Name.Kvno },
            "key.enrol", gateway.Id.ToString(),
            $"kvno={key.Name.Kvno} vault={ports.Vault.Description} transport={Convert.ToHexStringLower(SHA256.HashData(transportKey.Span))}",
            key, cancellationToken);
        return new EnrolmentOutcome.Enrolled(realm, key.Name, await ports.Vault.SendAsync(key, transportKey, cancellationToken));
    }

    private ValueTask SaveAsync(
        Principal gateway, string action, string actor, string detail, WrappedMasterKey? key, CancellationToken cancellationToken) =>
        ports.Audit.AppendAsync(
            new AuditEntry(new AuditEvent(Now, action, actor, gateway.Id.ToString(), detail), [], gateway, key), cancellationToken);
}

/// <summary>What came of showing an enrolment token.</summary>
public abstract record EnrolmentOutcome
{
    private EnrolmentOutcome() { }

    /// <param name="Key">K_G, encrypted to the gateway's vault.</param>
    public sealed record Enrolled(Realm Realm, MasterKeyName Name, ReadOnlyMemory<byte> Key) : EnrolmentOutcome;

    public sealed record Refused(string Reason) : EnrolmentOutcome;
}
