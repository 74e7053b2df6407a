using System.Collections.Immutable;
using GatewaySecure.Addresses;
using GatewaySecure.Settings;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>Reads <c>users</c>.</summary>
internal static class UserReader
{
    public static ImmutableArray<UserConfiguration> Read(ConfigurationSection top)
    {
        var users = ImmutableArray.CreateBuilder<UserConfiguration>();
        foreach (var section in top.Sections("users", ConfigurationKeys.User))
        {
            var name = section.Required<string>("name", ValueParsers.Text!);
            if (users.Any(u => u.Name == name))
                section.Problem("name", $"'{name}' is the name of another user too");
            if (!section.Has("mailboxes"))
                section.Problem("mailboxes", "is missing: the addresses that this user may send from");
            users.Add(new UserConfiguration(
                name!,
                section.Required<string>("password", MailValues.PasswordHash!)!,
                section.List<MailAddress>("mailboxes", ValueParsers.Address!)));
        }
        return users.ToImmutable();
    }
}
