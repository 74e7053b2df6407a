using System.Collections.Immutable;
using System.DirectoryServices.Protocols;
using GatewaySecure.Addresses;
using GatewaySecure.KdcServer.Hosting;

namespace GatewaySecure.KdcServer.Commands;

/// <summary>Where users are in an LDAP directory, and how to get at them.</summary>
/// <param name="Url"><c>ldaps://host[:636]</c>, or <c>ldap://host[:389]</c> to this machine.</param>
/// <param name="Filter">RFC 4515.</param>
/// <param name="BindDn">Null: anonymous.</param>
internal sealed record LdapSource(
    Uri Url, string Base, string Filter, string? BindDn, string? Password, string NameAttribute, string AddressAttribute);

/// <summary>Users out of an LDAP directory, page by page.</summary>
internal static class LdapUsers
{
    private const int PageSize = 500;

    /// <exception cref="IOException">The directory can't be reached, or refuses.</exception>
    /// <exception cref="FormatException">The URL is none, or would carry users in clear over the network.</exception>
    public static (List<ImportedUser> Users, List<ImportLine> Errors) Read(LdapSource source)
    {
        if (LdapDirectory.Objection(source.Url) is { } objection)
            throw new FormatException($"{source.Url}: {objection}.");
        var users = new List<ImportedUser>();
        var errors = new List<ImportLine>();
        try
        {
            using var connection = LdapDirectory.Connect(source.Url, source.BindDn, source.Password);
            foreach (var entry in Entries(connection, source))
            {
                if (User(entry, source, out var problem) is { } user)
                    users.Add(user);
                else
                    errors.Add(new ImportLine(entry.DistinguishedName, "error", problem));
            }
        }
        catch (Exception e) when (e is DirectoryException or DllNotFoundException)
        {
            throw new IOException($"{source.Url}: {e.Message}", e);
        }
        return (users, errors);
    }

    private static IEnumerable<SearchResultEntry> Entries(LdapConnection connection, LdapSource source)
    {
        var page = new PageResultRequestControl(PageSize);
        var request = new SearchRequest(source.Base, source.Filter, SearchScope.Subtree, source.NameAttribute, source.AddressAttribute);
        request.Controls.Add(page);
        do
        {
            var response = (SearchResponse)connection.SendRequest(request, LdapDirectory.Patience);
            foreach (SearchResultEntry entry in response.Entries)
                yield return entry;
            page.Cookie = response.Controls.OfType<PageResultResponseControl>().FirstOrDefault()?.Cookie ?? [];
        }
        while (page.Cookie.Length > 0);
    }

    private static ImportedUser? User(SearchResultEntry entry, LdapSource source, out string problem)
    {
        var addresses = ImmutableArray.CreateBuilder<MailAddress>();
        foreach (var text in Values(entry, source.AddressAttribute))
        {
            if (!MailAddress.TryParse(text, out var address))
            {
                problem = $"'{Printable.Show(text)}' is not a mail address.";
                return null;
            }
            if (!addresses.Contains(address))
                addresses.Add(address);
        }
        var name = Values(entry, source.NameAttribute).FirstOrDefault();
        problem = addresses.Count == 0 ? $"It has no {source.AddressAttribute}." : string.IsNullOrWhiteSpace(name) ? $"It has no {source.NameAttribute}." : "";
        return problem.Length > 0 ? null
            : new ImportedUser(Printable.Show(entry.DistinguishedName), Printable.Show(name!), addresses.ToImmutable(), null, null);
    }

    private static IEnumerable<string> Values(SearchResultEntry entry, string attribute) =>
        entry.Attributes.Contains(attribute) ? entry.Attributes[attribute].GetValues(typeof(string)).Cast<string>() : [];
}
