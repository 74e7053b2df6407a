namespace GatewaySecure.CardEnrollment;

/// <summary>Hands the new PINs over, once: to a new private file, or to the terminal. They are kept nowhere else.</summary>
internal static class Letters
{
    /// <exception cref="IOException">The file exists already.</exception>
    public static void Deliver(PinLetter letter, string? path)
    {
        var text = $"""
            Card {letter.Serial} for {letter.Address}
            User PIN:          {letter.UserPin}
            Administrator PIN: {letter.AdminPin}   (unblocks and renews the card; keep it in the safe)
            {(letter.UnblockingCode is { } code ? $"Unblocking code:   {code}   (for the holder: gives a blocked card a new PIN)" : "")}

            """;
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
