using System.Collections.Immutable;
using System.Text;
using GatewaySecure.Gateway.Exchange;
using GatewaySecure.Smtp.Server;

namespace GatewaySecure.Gateway.Receiving;

/// <summary>
/// Puts the header of one message through the firewall that its peer deserves. A peer that shares its address with strangers (Exchange
/// Online) is known by its tenant alone, so its header is held until it is whole.
/// </summary>
internal sealed class HeaderGuard(Intake intake, SmtpPeer peer)
{
    /// <summary>The domain of the tenant, written by Exchange Online itself.</summary>
    private const string TenantField = "X-OriginatorOrg";

    private readonly HeaderCapture? _held = intake.Settings.IsExchangePeer(peer) && !intake.Settings.ExchangeTenants.IsEmpty ? new() : null;
    private readonly List<string> _marks = [];
    private HeaderFirewall? _firewall;

    /// <summary>The peer is listed, but the mail is not of a tenant of ours. Known once the header is whole.</summary>
    public bool IsForeignTenant { get; private set; }

    /// <summary>An Exchange of ours brought it. Known once the header is whole.</summary>
    public bool IsExchange => intake.Settings.IsExchangePeer(peer) && !IsForeignTenant;

    /// <summary>What our own marks say; only an Exchange of ours may bring them back.</summary>
    public IReadOnlyList<string> Marks => _marks;

    public ImmutableArray<string> Removed => _firewall?.Removed ?? [];

    /// <summary>What may go on of the next piece and of what was held. Valid until the next call.</summary>
    public ReadOnlyMemory<byte> Pass(ReadOnlyMemory<byte> piece)
    {
        if (_firewall is not null)
            return _firewall.Pass(piece);
        if (_held is null)
            return Choose().Pass(piece);
        var before = _held.Octets.Length;
        _held.Add(piece.Span);
        if (!_held.IsComplete && !_held.IsTooLarge)
            return ReadOnlyMemory<byte>.Empty;
        return PassHeld(piece[(_held.Octets.Length - before)..]);
    }

    /// <summary>The message has ended: what is still held back and may go on.</summary>
    public ReadOnlyMemory<byte> End()
    {
        var held = _firewall is null && _held is not null ? PassHeld(ReadOnlyMemory<byte>.Empty).ToArray() : [];
        var rest = (_firewall ?? Choose()).End();
        return held.Length == 0 ? rest : (byte[])[.. held, .. rest.Span];
    }

    private ReadOnlyMemory<byte> PassHeld(ReadOnlyMemory<byte> rest)
    {
        var tenants = HeaderFacts.Read(_held!.Octets).Where(h => h.Name.Equals(TenantField, StringComparison.OrdinalIgnoreCase)).ToList();
        // One that is ours beside one that is not proves nothing.
        IsForeignTenant = tenants.Count == 0
            || !tenants.All(t => intake.Settings.ExchangeTenants.Any(ours => ours.Ascii.Equals(t.Value.Trim(), StringComparison.OrdinalIgnoreCase)));
        return Choose().Pass((byte[])[.. _held.Octets, .. rest.Span]);
    }

    private HeaderFirewall Choose()
    {
        var forbidden = intake.ForbiddenFrom(IsExchange);
        if (IsExchange)
            forbidden = forbidden.Insert(0, new GuardedField(ProcessedMark.Name, Keep));
        return _firewall = new HeaderFirewall(forbidden);
    }

    private bool Keep(ReadOnlySpan<byte> value)
    {
        _marks.Add(Encoding.Latin1.GetString(value));
        return true;
    }
}
