using System.Globalization;
using System.Text;

namespace GatewaySecure.Smtp.Tests;

/// <summary><c>\r \n \0 \t \\ \xHH</c> in transcripts; the result is Latin-1 text that stands for octets.</summary>
internal static class Escapes
{
    public static string Decode(string text)
    {
        var result = new StringBuilder();
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\')
            {
                foreach (var octet in Encoding.UTF8.GetBytes(text[i].ToString()))
                    result.Append((char)octet);
                continue;
            }
            i++;
            if (text[i] == 'x')
            {
                result.Append((char)byte.Parse(text.AsSpan(i + 1, 2), NumberStyles.HexNumber, CultureInfo.InvariantCulture));
                i += 2;
            }
            else
            {
                result.Append(text[i] switch { 'r' => '\r', 'n' => '\n', '0' => '\0', 't' => '\t', var c => c });
            }
        }
        return result.ToString();
    }

    /// <summary>The folder below tests/transcripts/smtp, found upwards from where the tests run.</summary>
    public static string Folder(string name)
    {
        for (var directory = new DirectoryInfo(AppContext.BaseDirectory); directory is not null; directory = directory.Parent)
        {
            var candidate = Path.Combine(directory.FullName, "tests", "transcripts", "smtp", name);
            if (Directory.Exists(candidate))
                return candidate;
        }
        throw new DirectoryNotFoundException($"tests/transcripts/smtp/{name}");
    }
}
