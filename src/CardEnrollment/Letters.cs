using GatewaySecure.CardEnrollment.Issuing;

namespace GatewaySecure.CardEnrollment;

/// <summary>Hands new PINs over, once: to a new private file, or to the terminal. They are kept nowhere else.</summary>
internal static class Letters
{
    /// <summary>A letter about the same card is replaced: its PIN is no longer that card's.</summary>
    /// <exception cref="IOException">The file is something else.</exception>
    public static void Deliver(HolderLetter letter, string? path)
    {
        if (path is not null && File.Exists(path) && File.ReadLines(path).FirstOrDefault() == FirstLine(letter.ToText()))
            File.Delete(path);
        Deliver(letter.ToText(), path);
    }

    /// <exception cref="IOException">The file exists already.</exception>
    public static void Deliver(PinLetter letter, string? path) => Deliver(
        $"""
        Card {letter.Serial} for {letter.Address}
        User PIN:          {letter.UserPin}
        Administrator PIN: {letter.AdminPin}   (unblocks and renews the card; keep it in the safe)
        {(letter.UnblockingCode is { } code ? $"Unblocking code:   {code}   (for the holder: gives a blocked card a new PIN)" : "")}

        """, path);

    private static string FirstLine(string text) => text[..text.IndexOf('\n', StringComparison.Ordinal)].TrimEnd();

    /// <exception cref="IOException">The file exists already.</exception>
    public static void Deliver(string text, string? path)
    {
        if (path is null)
        {
            Console.Write(text);
            return;
        }
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using var writer = new StreamWriter(path, options);
        writer.Write(text);
    }
}
