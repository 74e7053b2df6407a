using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using GatewaySecure.Addresses;

namespace GatewaySecure.KdcServer.Commands;

/// <summary>
/// Users out of a CSV file (RFC 4180, UTF-8): the first line names the columns <c>name</c>, <c>address</c> (several: separated by spaces or semicolons), and where
/// wanted <c>active-from</c> and <c>expires</c> (2027-01-31, UTC). Each line that can't be read is an error of its own.
/// </summary>
internal static class CsvUsers
{
    private static readonly string[] Known = ["name", "address", "active-from", "expires"];

    /// <exception cref="InvalidDataException">The first line does not name the columns.</exception>
    public static (List<ImportedUser> Users, List<ImportLine> Errors) Read(string file)
    {
        var users = new List<ImportedUser>();
        var errors = new List<ImportLine>();
        var label = Path.GetFileName(file);
        using var text = new StreamReader(file, new UTF8Encoding(false, throwOnInvalidBytes: true));
        var records = CsvRecords.Read(text).GetEnumerator();
        if (!records.MoveNext())
            throw new InvalidDataException($"{label} is empty.");
        var columns = records.Current.Fields.Select(f => f.Trim().ToLowerInvariant()).ToList();
        if (!columns.Contains("name") || !columns.Contains("address") || columns.Except(Known).Any() || columns.Distinct().Count() != columns.Count)
            throw new InvalidDataException($"{label}:1 must name the columns name and address, and may name active-from and expires.");
        while (records.MoveNext())
        {
            var place = string.Create(CultureInfo.InvariantCulture, $"{label}:{records.Current.Line}");
            if (records.Current.Fields is [{ Length: 0 }])
                continue;
            try
            {
                users.Add(User(place, columns, records.Current.Fields));
            }
            catch (FormatException e)
            {
                errors.Add(new ImportLine(place, "error", e.Message));
            }
        }
        return (users, errors);
    }

    private static ImportedUser User(string place, List<string> columns, List<string> fields)
    {
        if (fields.Count != columns.Count)
            throw new FormatException($"There are {fields.Count} fields where the first line has {columns.Count}.");
        string? Field(string column) => columns.IndexOf(column) is >= 0 and var i && fields[i].Trim() is { Length: > 0 } value ? value : null;
        var name = Field("name") ?? throw new FormatException("The name is missing.");
        if (name.Any(char.IsControl))
            throw new FormatException("The name holds a control character.");
        var addresses = (Field("address") ?? throw new FormatException("The address is missing."))
            .Split([' ', ';'], StringSplitOptions.RemoveEmptyEntries)
            .Select(a => MailAddress.TryParse(a, out var address) ? address : throw new FormatException($"'{a}' is not a mail address."))
            .Distinct().ToImmutableArray();
        var from = Field("active-from") is { } f ? OperatorWork.Date(f) : (DateTimeOffset?)null;
        var end = Field("expires") is { } e ? OperatorWork.Date(e) : (DateTimeOffset?)null;
        return new ImportedUser(place, name, addresses, from, end);
    }
}
