using System.Collections.Immutable;
using GatewaySecure.Addresses;
using GatewaySecure.KdcCore;

namespace GatewaySecure.KdcServer.Commands;

/// <summary>A user as a list or directory has him.</summary>
/// <param name="Place">For messages: <c>users.csv:7</c>, or a distinguished name.</param>
/// <param name="Addresses">The first one is the one he is found by again.</param>
internal sealed record ImportedUser(
    string Place, string Name, ImmutableArray<MailAddress> Addresses, DateTimeOffset? ActiveFrom, DateTimeOffset? ExpiresAt);

/// <summary>What came of one entry.</summary>
/// <param name="Outcome"><c>created</c>, <c>changed</c>, <c>unchanged</c> or <c>error</c>.</param>
internal sealed record ImportLine(string Place, string Outcome, string Detail);

/// <summary>
/// Brings users in from elsewhere. The same input a second time changes nothing; who lacks in it is left alone. Each user is a change of his own in the
/// audit, and one that can't be made stops no other.
/// </summary>
internal sealed class PrincipalImport(KdcAdministration administration, bool dryRun)
{
    /// <summary>The input says nothing of dates, so those on record stay.</summary>
    public bool KeepsDates { get; init; }

    public async Task<ImmutableArray<ImportLine>> ApplyAsync(IEnumerable<ImportedUser> users, CancellationToken cancellationToken)
    {
        var lines = ImmutableArray.CreateBuilder<ImportLine>();
        var seen = new Dictionary<MailAddress, string>();
        foreach (var user in users)
        {
            if (user.Addresses.FirstOrDefault(seen.ContainsKey) is { } twice)
            {
                lines.Add(new ImportLine(user.Place, "error", $"{twice} stands in {seen[twice]} already."));
                continue;
            }
            foreach (var address in user.Addresses)
                seen[address] = user.Place;
            try
            {
                lines.Add(await ApplyAsync(user, cancellationToken));
            }
            catch (Exception e) when (e is AdministrationException or StaleRecordException)
            {
                lines.Add(new ImportLine(user.Place, "error", e.Message));
            }
        }
        return lines.ToImmutable();
    }

    private async Task<ImportLine> ApplyAsync(ImportedUser user, CancellationToken cancellationToken)
    {
        var holders = new List<Principal>();
        foreach (var address in user.Addresses)
        {
            if (await administration.FindAsync(address, cancellationToken) is { } holder && holders.All(h => h.Id != holder.Id))
                holders.Add(holder);
        }
        return holders switch
        {
            [] => await CreateAsync(user, cancellationToken),
            [{ Kind: PrincipalKind.User } one] => await ChangeAsync(user, one, cancellationToken),
            [var other] => new ImportLine(user.Place, "error", $"{other.Name} is no user."),
            _ => new ImportLine(user.Place, "error", $"Its addresses belong to {string.Join(" and ", holders.Select(h => h.Name))}."),
        };
    }

    private async Task<ImportLine> CreateAsync(ImportedUser user, CancellationToken cancellationToken)
    {
        if (!dryRun)
        {
            var created = await administration.CreateAsync(PrincipalKind.User, user.Name, user.Addresses, [], user.ExpiresAt, cancellationToken);
            if (user.ActiveFrom is { } from)
                await administration.SetValidityAsync(created.Id, from, user.ExpiresAt, cancellationToken);
        }
        return new ImportLine(user.Place, "created", $"{user.Name} {string.Join(", ", user.Addresses)}");
    }

    private async Task<ImportLine> ChangeAsync(ImportedUser user, Principal known, CancellationToken cancellationToken)
    {
        var changes = new List<string>();
        if (known.Name != user.Name)
        {
            changes.Add($"name {known.Name} becomes {user.Name}");
            if (!dryRun)
                await administration.RenameAsync(known.Id, user.Name, cancellationToken);
        }
        if (!KeepsDates && (known.ActiveFrom != user.ActiveFrom || known.ExpiresAt != user.ExpiresAt))
        {
            changes.Add($"valid from {user.ActiveFrom?.ToString("u") ?? "the beginning"} until {user.ExpiresAt?.ToString("u") ?? "further notice"}");
            if (!dryRun)
                await administration.SetValidityAsync(known.Id, user.ActiveFrom, user.ExpiresAt, cancellationToken);
        }
        var now = TimeProvider.System.GetUtcNow();
        foreach (var address in user.Addresses.Where(a => !known.Holds(a, now)))
        {
            changes.Add($"gains {address}");
            if (!dryRun)
                await administration.AddAddressAsync(known.Id, address, cancellationToken);
        }
        foreach (var held in known.Addresses.Where(a => a.IsHeldAt(now) && !user.Addresses.Contains(a.Address)))
        {
            changes.Add($"loses {held.Address}");
            if (!dryRun)
                await administration.RemoveAddressAsync(known.Id, held.Address, cancellationToken);
        }
        return new ImportLine(user.Place, changes.Count == 0 ? "unchanged" : "changed", string.Join("; ", changes));
    }
}
