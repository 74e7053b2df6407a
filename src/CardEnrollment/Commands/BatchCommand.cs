using System.CommandLine;
using System.Globalization;
using System.Text;
using GatewaySecure.Addresses;
using GatewaySecure.CardEnrollment.Issuing;
using GatewaySecure.Cards;
using GatewaySecure.KdcCore;
using GatewaySecure.SmartCard;

namespace GatewaySecure.CardEnrollment.Commands;

/// <summary><c>cardstation batch</c>: one card after the other. Who has a card already is passed over, so that an interrupted batch is begun again and goes on.</summary>
internal static class BatchCommand
{
    private static readonly string[] Columns = ["name", "address"];

    private static readonly Option<string> Letters = new("--letters") { Description = "Folder for the PIN letters, one file for each card.", Required = true };

    private static readonly Option<int> Wait = new("--wait")
    {
        Description = "Seconds to wait for each card.", DefaultValueFactory = _ => 3600,
    };

    private static readonly Option<CardKeyAlgorithm> Algorithm = new("--algorithm")
    {
        Description = "Of the cards' keys.", DefaultValueFactory = _ => CardKeyAlgorithm.Rsa3072,
    };

    public static Command Create()
    {
        var file = new Argument<string>("FILE") { Description = "CSV in UTF-8; its first line names the columns name and address." };
        var command = new Command("batch", """
            Issues a card to each user of a CSV file: waits for the next card, issues it, waits until it is taken out. Users who are not on record are put there; users who have a card are
            passed over, so after an interruption the same command goes on. A line that fails is told and does not stop the others.

            Example:
              cardstation batch users.csv --letters letters/
            """)
        { file, Letters, Wait, Algorithm, StationOptions.Reader, StationOptions.Yes }.WithSession();
        command.SetAction((parsed, ct) => StationOptions.InSessionAsync(parsed, (place, ended) => RunAsync(place, Read(parsed.GetRequiredValue(file)), ended), ct));
        return command;
    }

    private static async Task<int> RunAsync(Workplace place, List<Person> people, CancellationToken ended)
    {
        if (OperatingSystem.IsWindows())
            Directory.CreateDirectory(place.Parsed.GetRequiredValue(Letters));
        else
            Directory.CreateDirectory(place.Parsed.GetRequiredValue(Letters), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var bar = new ProgressBar(people.Count, TimeProvider.System);
        var failed = 0;
        foreach (var person in people)
        {
            ended.ThrowIfCancellationRequested();
            var (status, serial, detail) = await OneAsync(place, person, bar, ended);
            if (status == "failed")
                failed++;
            bar.Clear();
            place.Tell($"{person.Line}: {person.Address}: {status}{(serial is null ? "" : $", card {serial}")}{(detail is null ? "" : $": {detail}")}",
                new { person.Line, address = person.Address.ToString(), status, serial, detail });
            bar.Done(counts: status == "issued");
        }
        bar.End();
        return failed == 0 ? ExitStatus.Done : ExitStatus.Failed;
    }

    private static async Task<(string Status, string? Serial, string? Detail)> OneAsync(Workplace place, Person person, ProgressBar bar, CancellationToken ended)
    {
        var cards = await place.Client.CardsOfAsync(person.Address.ToString(), ended);
        if (cards.FirstOrDefault(c => Workplace.Is(c, CardStanding.Active)) is { } present)
            return ("has a card", present.Order.Serial, null);
        CardConnection? connection = null;
        try
        {
            bar.Say($"Insert a card for {person.Name} <{person.Address}>.");
            connection = await NextCardAsync(place, bar, ended);
            var record = await new Issuer(place, bar).IssueAsync(connection.Card, Wish(place, person, connection.Card), ended);
            bar.Say($"Take the card of {person.Name} out.");
            await connection.WaitForRemovalAsync(TimeProvider.System, ended);
            return ("issued", record.Order.Serial, null);
        }
        catch (Exception e) when (e is CardException or AdministrationException or IssuingDeclinedException or ArgumentException)
        {
            if (connection is not null)
            {
                bar.Say("Take the card out.");
                await connection.WaitForRemovalAsync(TimeProvider.System, ended);
            }
            return ("failed", null, e.Message);
        }
        finally
        {
            connection?.Dispose();
        }
    }

    /// <summary>A card that is somebody's is not written over.</summary>
    private static async Task<CardConnection> NextCardAsync(Workplace place, ProgressBar bar, CancellationToken ended)
    {
        while (true)
        {
            var connection = await CardConnection.OpenAsync(place.Choice, TimeSpan.FromSeconds(place.Parsed.GetValue(Wait)), TimeProvider.System, ended);
            try
            {
                Task<KdcTransport.Operator.CardView?> asked;
                using (connection.Card.BeginSession())
                    asked = place.LatestAsync(connection.Card.Describe(), ended);
                if (await asked is not { } known || !Workplace.Is(known, CardStanding.Active) && !Workplace.Is(known, CardStanding.Suspended))
                    return connection;
                bar.Say($"This is the card of {known.HolderName}. Take it out, and insert another one.");
                await connection.WaitForRemovalAsync(TimeProvider.System, ended);
                connection.Dispose();
            }
            catch
            {
                connection.Dispose();
                throw;
            }
        }
    }

    private static IssuingWish Wish(Workplace place, Person person, IIssuableCard card)
    {
        string serial;
        using (card.BeginSession())
            serial = Workplace.SerialOf(card.Describe());
        var name = string.Concat($"{person.Address}-{serial}".Select(c => char.IsAsciiLetterOrDigit(c) || c is '@' or '.' or '-' ? c : '_'));
        return new IssuingWish(
            person.Address, person.Name, place.Parsed.GetValue(Algorithm), null, null, Path.Combine(place.Parsed.GetRequiredValue(Letters), name + ".letter"), null);
    }

    /// <exception cref="FormatException">A line can't be read; nothing is begun then.</exception>
    private static List<Person> Read(string file)
    {
        using var text = new StreamReader(file, new UTF8Encoding(false, throwOnInvalidBytes: true));
        var records = CsvRecords.Read(text).ToList();
        if (records is not [var head, ..] || !head.Fields.Select(f => f.Trim().ToLowerInvariant()).Order().SequenceEqual(Columns.OrderBy(c => c, StringComparer.Ordinal)))
            throw new FormatException($"{file}:1 must name the columns name and address, and no others.");
        var nameAt = head.Fields.FindIndex(f => f.Trim().Equals("name", StringComparison.OrdinalIgnoreCase));
        var people = new List<Person>();
        foreach (var (line, fields) in records.Skip(1).Where(r => r.Fields is not [{ Length: 0 }]))
        {
            if (fields.Count != Columns.Length || fields[nameAt].Trim() is not { Length: > 0 } name || name.Any(char.IsControl)
                || !MailAddress.TryParse(fields[1 - nameAt].Trim(), out var address))
                throw new FormatException($"{file}:{line} is not a name and a mail address.");
            if (people.Any(p => p.Address.Equals(address)))
                throw new FormatException($"{file}:{line}: {address} stands there twice.");
            people.Add(new Person(line, name, address));
        }
        return people;
    }

    private sealed record Person(int Line, string Name, MailAddress Address);
}

/// <summary>How far a batch is, with the time that the rest takes at the pace of the cards so far. One line that is written over on a terminal; else plain lines.</summary>
internal sealed class ProgressBar(int total, TimeProvider time) : IProgress<CardStep>
{
    private const int Width = 24;

    private readonly bool _terminal = !Console.IsErrorRedirected;
    private readonly long _began = time.GetTimestamp();
    private int _done;
    private int _issued;

    public void Report(CardStep value) => Draw(value.ToString());

    public void Say(string what)
    {
        if (_terminal)
            Draw(what);
        else
            Console.Error.WriteLine(what);
    }

    /// <param name="counts">It took the time that a card takes.</param>
    public void Done(bool counts)
    {
        _done++;
        _issued += counts ? 1 : 0;
        if (_terminal)
            Draw("");
        else
            Console.Error.WriteLine($"{_done} of {total}{Rest()}");
    }

    public void Clear()
    {
        if (_terminal)
            Console.Error.Write("\r\e[K");
    }

    public void End() => Clear();

    private void Draw(string what)
    {
        if (!_terminal)
            return;
        var filled = total == 0 ? Width : Width * _done / total;
        Console.Error.Write($"\r\e[K[{new string('#', filled)}{new string('.', Width - filled)}] {_done}/{total}{Rest()}  {what}");
    }

    private string Rest()
    {
        if (_issued == 0 || _done >= total)
            return "";
        var rest = time.GetElapsedTime(_began) / _issued * (total - _done);
        return string.Create(CultureInfo.InvariantCulture, $", about {rest:hh\\:mm\\:ss} left");
    }
}
