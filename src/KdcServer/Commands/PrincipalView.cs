using System.Collections.Immutable;
using GatewaySecure.KdcCore;

namespace GatewaySecure.KdcServer.Commands;

/// <summary>A principal as the commands show it, in words and as JSON.</summary>
internal sealed record PrincipalView(
    string Id,
    PrincipalKind Kind,
    string Name,
    string Status,
    string? Reason,
    DateTimeOffset Since,
    DateTimeOffset? ActiveFrom,
    DateTimeOffset? ExpiresAt,
    DateTimeOffset? DeletedAt,
    int Kvno,
    ImmutableArray<string> Addresses,
    ImmutableArray<AddressView> FormerAddresses,
    ImmutableArray<string> SenderDomains,
    ImmutableArray<string> Certificates,
    DateTimeOffset? EnrolmentUntil)
{
    public static PrincipalView Of(Principal p, DateTimeOffset now) => new(
        p.Id.ToString(), p.Kind, p.Name, StatusAt(p, now), p.StatusReason, p.StatusSince, p.ActiveFrom, p.ExpiresAt, p.DeletedAt, p.Kvno,
        [.. p.Addresses.Where(a => a.IsHeldAt(now)).Select(a => a.Address.ToString())],
        [.. p.Addresses.Where(a => a.Until <= now).Select(a => new AddressView(a.Address.ToString(), a.From, a.Until!.Value))],
        [.. p.SenderDomains.Select(d => d.Ascii)],
        p.Certificates,
        p.Enrolment?.Until);

    /// <summary>In one line.</summary>
    public string Line => $"{Id}  {Kind.ToString().ToLowerInvariant(),-8} {Status,-9} kvno {Kvno,-3} {Name}  {string.Join(", ", Addresses.Concat(SenderDomains))}";

    public IEnumerable<string> Lines()
    {
        yield return $"id            {Id}";
        yield return $"kind          {Kind.ToString().ToLowerInvariant()}";
        yield return $"name          {Name}";
        yield return $"status        {Status} since {Since:u}{(Reason is null ? "" : $" ({Reason})")}";
        if (ActiveFrom is not null || ExpiresAt is not null)
            yield return $"valid         from {ActiveFrom?.ToString("u") ?? "the beginning"} until {ExpiresAt?.ToString("u") ?? "further notice"}";
        yield return Kvno == 0 ? "key           none yet" : $"key           version {Kvno}";
        foreach (var address in Addresses)
            yield return $"address       {address}";
        foreach (var former in FormerAddresses)
            yield return $"former        {former.Address}, {former.From:u} to {former.Until:u}";
        foreach (var domain in SenderDomains)
            yield return $"sends for     {domain}";
        foreach (var certificate in Certificates)
            yield return $"certificate   {certificate}";
        if (EnrolmentUntil is { } until)
            yield return $"enrolment     allowed until {until:u}";
    }

    /// <summary>What holds at that time: the word an operator set, or the date's.</summary>
    private static string StatusAt(Principal p, DateTimeOffset now) => p switch
    {
        { DeletedAt: not null } => "deleted",
        { Status: not PrincipalStatus.Active } => p.Status.ToString().ToLowerInvariant(),
        _ when now < p.ActiveFrom => "planned",
        _ when p.ExpiresAt <= now => "expired",
        _ => "active",
    };
}

/// <summary>An address that a principal held.</summary>
internal sealed record AddressView(string Address, DateTimeOffset From, DateTimeOffset Until);
