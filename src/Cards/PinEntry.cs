namespace GatewaySecure.Cards;

/// <summary>Reads a PIN or another code without showing it. The caller clears the characters.</summary>
public static class PinEntry
{
    private const int MaxLength = 64;

    public static char[] FromFile(string path)
    {
        using var file = File.OpenText(path);
        return FirstLine(file);
    }

    public static char[] FromStandardInput() => FirstLine(Console.In);

    /// <exception cref="InvalidOperationException">There is no terminal to ask on.</exception>
    public static char[] FromTerminal(string question)
    {
        if (Console.IsInputRedirected)
            throw new InvalidOperationException("There is no terminal to ask for the PIN; use --pin-stdin or a file.");
        Console.Error.Write(question);
        var typed = new char[MaxLength];
        var count = 0;
        while (true)
        {
            var key = Console.ReadKey(intercept: true);
            if (key.Key == ConsoleKey.Enter)
                break;
            if (key.Key == ConsoleKey.Backspace)
                count = Math.Max(0, count - 1);
            else if (!char.IsControl(key.KeyChar) && count < MaxLength)
                typed[count++] = key.KeyChar;
        }
        Console.Error.WriteLine();
        var pin = typed[..count];
        Array.Clear(typed);
        return pin;
    }

    private static char[] FirstLine(TextReader reader)
    {
        var typed = new char[MaxLength];
        var count = 0;
        for (int next; (next = reader.Read()) >= 0 && next is not ('\n' or '\r') && count < MaxLength;)
            typed[count++] = (char)next;
        var pin = typed[..count];
        Array.Clear(typed);
        return pin;
    }
}
