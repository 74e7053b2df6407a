using System.Text.Json;

namespace GatewaySecure.VirtualCard;

/// <summary>Virtual cards by their file, whatever kind they are.</summary>
public static class VirtualCards
{
    /// <exception cref="IOException">No card there, damaged, or in use by another program.</exception>
    public static IVirtualCard Open(string path)
    {
        if (!File.Exists(path))
            throw new FileNotFoundException($"There is no virtual card at {path}.", path);
        return KindOf(path) == "piv" ? VirtualPivCard.Open(path) : VirtualOpenPgpCard.Open(path);
    }

    /// <summary>Null where the file tells none: it is opened as an OpenPGP card, which says what is wrong with it.</summary>
    private static string? KindOf(string path)
    {
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(path));
            return json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.TryGetProperty("Kind", out var kind) ? kind.GetString() : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
