using System.CommandLine;
using System.Text.Json;
using GatewaySecure.Gateway.Spool;

namespace GatewaySecure.Gateway.Commands;

/// <summary><c>gateway queue</c>: what waits and what is held, read while the gateway runs. Changes nothing.</summary>
internal static class QueueCommands
{
    public static Command Create(Func<string, (string Directory, ISpoolKey Key)> open)
    {
        var state = CommonOptions.State();
        var json = new Option<bool>("--json") { Description = "As JSON, for scripts." };
        var list = new Command("list", """
            Lists the mails in the spool, oldest first: one line for each recipient that is not done.

            Examples:
              gateway queue list --state /var/lib/gatewaysecure
              gateway queue list --json
            """)
        { state, json };
        list.SetAction(parsed => With(open, parsed.GetValue(state)!, spool =>
        {
            var lines = spool.Items.SelectMany(Lines).Where(l => l.State is RecipientState.Queued or RecipientState.Held).ToList();
            if (parsed.GetValue(json))
                Console.WriteLine(Serialize(lines));
            else if (lines.Count == 0)
                Console.WriteLine("The queue is empty.");
            else
                lines.ForEach(l => Console.WriteLine($"{l.Id}  {l.State,-6} {l.Sender} → {l.Recipient}  {l.Reason}"));
            foreach (var (file, reason) in spool.SetAside)
                Console.Error.WriteLine($"{file} can't be read: {reason}");
            return ExitCode.Success;
        }));

        var id = new Argument<string>("ID") { Description = "As 'queue list' shows it." };
        var show = new Command("show", """
            Shows one mail with all of its recipients and decisions. The content is never shown.

            Example:
              gateway queue show 01jd8w2x9kq3m5n7p8r9st
            """)
        { id, state, json };
        show.SetAction(parsed => With(open, parsed.GetValue(state)!, spool =>
        {
            if (spool.Items.FirstOrDefault(i => i.Id.ToString() == parsed.GetValue(id)) is not { } item)
            {
                Console.Error.WriteLine($"There is no mail {parsed.GetValue(id)} in the queue.");
                return ExitCode.Problem;
            }
            var lines = Lines(item).ToList();
            if (parsed.GetValue(json))
            {
                Console.WriteLine(Serialize(lines));
                return ExitCode.Success;
            }
            Console.WriteLine($"{item.Id}, {item.Content.Length} octets, accepted {item.Mail.AcceptedAt.UtcDateTime:yyyy-MM-dd HH:mm:ss}Z from {item.Mail.Session.PeerAddress}");
            if (!item.Mail.RemovedFields.IsEmpty)
                Console.WriteLine($"  removed from its header: {string.Join(", ", item.Mail.RemovedFields)}");
            foreach (var line in lines)
            {
                Console.WriteLine($"  {line.Recipient}: {line.State}, {line.Attempts} attempts");
                Console.WriteLine($"    decided by {line.Decision}");
                if (line.Reason is not null)
                    Console.WriteLine($"    {line.Reason}");
                if (line.NextAttempt is { } next)
                    Console.WriteLine($"    next attempt {next.UtcDateTime:yyyy-MM-dd HH:mm:ss}Z");
            }
            return ExitCode.Success;
        }));
        return new Command("queue", "The mails that wait or are held.") { list, show };
    }

    private static int With(Func<string, (string Directory, ISpoolKey Key)> open, string stateDirectory, Func<RecoveredSpool, int> work)
    {
        try
        {
            var (directory, key) = open(stateDirectory);
            return work(MailSpool.ReadOnlyView(directory, key));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine(e.Message);
            return ExitCode.Problem;
        }
    }

    private static IEnumerable<QueueLine> Lines(SpooledMail item) =>
        item.Status.Select((status, i) => new QueueLine(
            item.Id.ToString(),
            item.Mail.AcceptedAt,
            item.Mail.Envelope.Sender?.ToString() ?? "<>",
            item.Mail.Envelope.Recipients[i].Address.ToString(),
            status.State,
            status.Attempts,
            status.NextAttempt,
            status.Reason,
            item.Mail.Decisions[i].Reason));

    private static string Serialize(List<QueueLine> lines) => JsonSerializer.Serialize(lines, CommonOptions.Json);

    private sealed record QueueLine(
        string Id,
        DateTimeOffset Accepted,
        string Sender,
        string Recipient,
        RecipientState State,
        int Attempts,
        DateTimeOffset? NextAttempt,
        string? Reason,
        string Decision);
}
