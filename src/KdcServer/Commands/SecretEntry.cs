using System.Text;

namespace GatewaySecure.KdcServer.Commands;

/// <summary>A PIN or passphrase: the first line of a file, or typed without being shown.</summary>
internal static class SecretEntry
{
    /// <param name="file">Null: ask on the terminal.</param>
    /// <exception cref="IOException">The file can't be read, or there is no terminal.</exception>
    public static string Read(string? file, string question)
    {
        if (file is not null)
            return File.ReadLines(file).FirstOrDefault() is { Length: > 0 } line ? line : throw new IOException($"{file}: the first line is empty.");
        if (Console.IsInputRedirected)
            throw new IOException($"There is no terminal to ask for: {question}. Give a file.");
        Console.Error.Write(question + ": ");
        var typed = new StringBuilder();
        while (true)
        {
            var key = Console.ReadKey(intercept: true);
            if (key.Key == ConsoleKey.Enter)
                break;
            if (key.Key == ConsoleKey.Backspace)
                typed.Length = Math.Max(0, typed.Length - 1);
            else if (!char.IsControl(key.KeyChar))
                typed.Append(key.KeyChar);
        }
        Console.Error.WriteLine();
        return typed.ToString();
    }

    /// <summary>A new one is typed twice.</summary>
    /// <exception cref="IOException">The two differ.</exception>
    public static string ReadNew(string? file, string question)
    {
        var first = Read(file, question);
        return file is not null || Read(null, question + ", again") == first ? first : throw new IOException("The two are different; nothing was done.");
    }
}
