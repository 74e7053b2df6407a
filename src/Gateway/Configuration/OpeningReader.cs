using System.Collections.Immutable;
using GatewaySecure.Settings;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>With what, and how far, protected mail from outside is opened (docs/opening.md).</summary>
/// <param name="OpenUnsigned">Also what is encrypted in a way that does not show changes, and not signed.</param>
/// <param name="TagSubject">The subject says what was found.</param>
internal sealed record OpeningConfiguration(ImmutableArray<OpeningKeyConfiguration> Keys, bool OpenUnsigned, bool TagSubject);

/// <summary>One key of the organisation: in a file with its certificates, or in the vault.</summary>
/// <param name="File">PKCS #12, or PEM; null: the key is in the vault.</param>
/// <param name="PassphraseFile">Its first line opens <paramref name="File"/>; null: that is not encrypted.</param>
/// <param name="Certificate">PEM, of the vault's key <paramref name="Name"/>.</param>
internal sealed record OpeningKeyConfiguration(string? File, string? PassphraseFile, string? Certificate, string Name)
{
    public const string DefaultName = "mail";
}

/// <summary>Reads <c>opening</c>.</summary>
internal static class OpeningReader
{
    public static OpeningConfiguration? Read(ConfigurationSection top)
    {
        if (top.Section("opening", ConfigurationKeys.Opening) is not { } section)
            return null;
        var keys = ImmutableArray.CreateBuilder<OpeningKeyConfiguration>();
        foreach (var key in section.Sections("keys", ConfigurationKeys.OpeningKey))
        {
            if (key.Has("file") == key.Has("certificate"))
                key.Problem(key.Has("file") ? "certificate" : "file", key.Has("file") ? "stands beside 'file': the one for a key in a file, the other for one in the vault" : "is missing (or 'certificate', of a key in the vault)");
            if (key.Has("passphrase-file") && !key.Has("file"))
                key.Problem("passphrase-file", "has no meaning without 'file'");
            if (key.Has("name") && !key.Has("certificate"))
                key.Problem("name", "has no meaning without 'certificate'");
            keys.Add(new OpeningKeyConfiguration(
                key.OptionalFile("file"), key.OptionalFile("passphrase-file"), key.OptionalFile("certificate"),
                key.Optional<string>("name", ValueParsers.Text!, OpeningKeyConfiguration.DefaultName)));
        }
        return new OpeningConfiguration(
            keys.ToImmutable(),
            section.Optional<bool>("unsigned", ValueParsers.Word(("leave", false), ("open", true)), false),
            section.Optional<bool>("subject-tag", ValueParsers.Switch, false));
    }
}
