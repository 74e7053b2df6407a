namespace GatewaySecure.Gateway.Receiving;

/// <summary>Whether an iCalendar text (RFC 5545) is one meeting that is asked for, answered or cancelled (RFC 5546), without anything attached.</summary>
internal static class MeetingObject
{
    private const int MostLines = 4000;

    private static readonly string[] Methods = ["REQUEST", "REPLY", "CANCEL", "COUNTER", "DECLINECOUNTER", "REFRESH", "ADD"];

    private static readonly string[] Components = ["VCALENDAR", "VEVENT", "VTIMEZONE", "STANDARD", "DAYLIGHT", "VALARM"];

    /// <summary>They carry octets or point at a file.</summary>
    private static readonly string[] Attached = ["ATTACH", "IMAGE", "STRUCTURED-DATA", "X-ATTACH"];

    /// <param name="method">What the Content-Type says; the object must say the same (RFC 6047 §2.4).</param>
    public static bool IsMeeting(string text, string method)
    {
        if (!Methods.Contains(method, StringComparer.OrdinalIgnoreCase))
            return false;
        var open = new Stack<string>();
        var (events, methods, ended) = (0, 0, false);
        HashSet<string> seen = new(StringComparer.OrdinalIgnoreCase);
        var lines = 0;
        foreach (var line in Unfold(text))
        {
            if (line.Length == 0)
                continue;
            var (name, value) = Split(line);
            if (ended || ++lines > MostLines || name.Length == 0 || Attached.Contains(name, StringComparer.OrdinalIgnoreCase) || HoldsBinary(line))
                return false;
            switch (name.ToUpperInvariant())
            {
                case "BEGIN":
                    var component = value.ToUpperInvariant();
                    if (!Components.Contains(component) || (open.Count == 0) != (component == "VCALENDAR"))
                        return false;
                    events += component == "VEVENT" ? 1 : 0;
                    open.Push(component);
                    break;
                case "END":
                    if (!open.TryPop(out var opened) || !opened.Equals(value, StringComparison.OrdinalIgnoreCase))
                        return false;
                    ended = open.Count == 0;
                    break;
                case "METHOD" when open.Count == 1:
                    methods++;
                    if (!value.Equals(method, StringComparison.OrdinalIgnoreCase))
                        return false;
                    break;
                default:
                    if (open.Count == 0)
                        return false;
                    if (open.Peek() == "VEVENT")
                        seen.Add(name);
                    break;
            }
        }
        // RFC 5546 §3.2: a meeting has a name, an organiser and somebody invited.
        return ended && events > 0 && methods == 1 && seen.Contains("UID") && seen.Contains("ORGANIZER") && seen.Contains("ATTENDEE");
    }

    private static bool HoldsBinary(string line) => line.Contains("ENCODING=BASE64", StringComparison.OrdinalIgnoreCase);

    /// <summary>RFC 5545 §3.1: a line goes on where the next begins with white space.</summary>
    private static IEnumerable<string> Unfold(string text)
    {
        string? line = null;
        foreach (var raw in text.Split('\n'))
        {
            var piece = raw.TrimEnd('\r');
            if (line is not null && piece is [' ' or '\t', ..])
            {
                line += piece[1..];
                continue;
            }
            if (line is not null)
                yield return line;
            line = piece;
        }
        if (line is not null)
            yield return line;
    }

    private static (string Name, string Value) Split(string line)
    {
        var colon = line.IndexOf(':', StringComparison.Ordinal);
        var end = line.AsSpan().IndexOfAny(':', ';');
        return colon < 0 || end < 0 ? ("", "") : (line[..end], line[(colon + 1)..].Trim());
    }
}
