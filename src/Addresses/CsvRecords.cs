using System.Text;

namespace GatewaySecure.Addresses;

/// <summary>Splits a CSV file (RFC 4180) into records and fields; what they mean is the reader's matter.</summary>
public static class CsvRecords
{
    /// <summary>Fields of each record, with the line it begins in; a field in quotes may hold commas, line ends and doubled quotes.</summary>
    /// <exception cref="InvalidDataException">A quote is not closed.</exception>
    public static IEnumerable<(int Line, List<string> Fields)> Read(TextReader text)
    {
        var (line, begin) = (1, 1);
        var (field, fields, quoted) = (new StringBuilder(), new List<string>(), false);
        for (int next; (next = text.Read()) >= 0;)
        {
            var c = (char)next;
            if (c == '\n')
                line++;
            if (quoted)
            {
                if (c != '"')
                    field.Append(c);
                else if (text.Peek() == '"')
                    field.Append((char)text.Read());
                else
                    quoted = false;
                continue;
            }
            switch (c)
            {
                case '"' when field.Length == 0:
                    quoted = true;
                    break;
                case ',':
                    fields.Add(field.ToString());
                    field.Clear();
                    break;
                case '\r' when text.Peek() == '\n':
                    break;
                case '\n':
                    fields.Add(field.ToString());
                    field.Clear();
                    yield return (begin, fields);
                    (fields, begin) = ([], line);
                    break;
                default:
                    field.Append(c);
                    break;
            }
        }
        if (quoted)
            throw new InvalidDataException($"A quote that begins in or after line {begin} is not closed.");
        if (field.Length > 0 || fields.Count > 0)
        {
            fields.Add(field.ToString());
            yield return (begin, fields);
        }
    }
}
