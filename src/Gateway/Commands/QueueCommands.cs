using System.CommandLine;
using GatewaySecure.Gateway.Configuration;
using GatewaySecure.Gateway.Control;
using GatewaySecure.Policies;

namespace GatewaySecure.Gateway.Commands;

/// <summary>
/// <c>gateway queue</c>: looks at what waits and what is held, and acts on it. The running gateway does it where there is one; else the
/// command does it on the spool.
/// </summary>
internal static class QueueCommands
{
    public static Command Create() => new("queue", """
        The mails that wait or are held. See docs/operations/queue-control.md.

        What is done here stands in the audit: gateway audit show.
        """)
    {
        List(), Show(), Hold(), Release(), Retry(), Delete(), Bounce(), Redecide(), Requests(), Approve(), Withdraw(),
    };

    private static Command List()
    {
        var options = new QueueOptionSet();
        var summary = new Option<bool>("--summary") { Description = "Only how many for each recipient domain, by age." };
        var command = new Command("list", """
            Lists the mails in the queue, oldest first: one line for each recipient that is not done.

            Examples:
              gateway queue list --state /var/lib/gatewaysecure
              gateway queue list --domain partner.example --status held --json
              gateway queue list --summary
            """)
        { summary };
        options.AddFilterTo(command, changes: false);
        command.SetAction((parsed, ct) => QueueOutput.RunAsync(parsed, options, changes: false, () => new ControlRequest
        {
            Verb = parsed.GetValue(summary) ? ControlVerb.Summary : ControlVerb.List,
            Filter = options.Filter(parsed),
        }, ct));
        return command;
    }

    private static Command Show()
    {
        var options = new QueueOptionSet();
        var id = new Argument<string>("ID") { Description = "As 'queue list' shows it." };
        var command = new Command("show", """
            Shows one mail with all of its recipients and decisions. The content is never shown.

            Example:
              gateway queue show 01jd8w2x9kq3m5n7p8r9st
            """)
        { id };
        options.AddCommonTo(command);
        command.SetAction((parsed, ct) => QueueOutput.RunAsync(parsed, options, changes: false, () => new ControlRequest
        {
            Verb = ControlVerb.List,
            Whole = true,
            Filter = new QueueFilter { Ids = [parsed.GetValue(id)!] },
        }, ct));
        return command;
    }

    private static Command Hold() => Act(ControlVerb.Hold, "hold", """
        Holds mail: nothing is sent and nothing expires until it is released. The sender is not told.

        Examples:
          gateway queue hold 01jd8w2x9kq3m5n7p8r9st
          gateway queue hold --sender newsletter@example.org --dry-run
        """);

    private static Command Release()
    {
        var method = new Option<ProtectionMethod?>("--method") { Description = "For mail that a rule holds: normal, ca or kdc." };
        return Act(ControlVerb.Release, "release", """
            Lets held mail go on with the decision it has. Where that demands protection that can't be had, it stays held and is
            tried again: it never goes in clear. Mail that a rule holds for a person has no method: say with --method how it is to
            be protected. It is never less than the rules behind that one demand, and you vouch for it in the audit.

            Examples:
              gateway queue release 01jd8w2x9kq3m5n7p8r9st
              gateway queue release --rule 'large attachments' --method ca
            """, method, (parsed, request) => request with { Method = parsed.GetValue(method) });
    }

    private static Command Retry() => Act(ControlVerb.Retry, "retry", """
        Tries waiting mail now. Mail that is held for a person stays held.

        Examples:
          gateway queue retry --domain partner.example
          gateway queue retry --all
        """);

    private static Command Delete() => Act(ControlVerb.Delete, "delete", """
        Removes mail for good. Nobody is told, but it stands in the audit.

        Examples:
          gateway queue delete 01jd8w2x9kq3m5n7p8r9st
          gateway queue delete --sender '<>' --domain flooded.example --older-than 2d
        """);

    private static Command Bounce() => Act(ControlVerb.Bounce, "bounce", """
        Gives mail up and reports that to its sender, as far as the sender wants a report.

        Examples:
          gateway queue bounce 01jd8w2x9kq3m5n7p8r9st
          gateway queue bounce --next-hop provider --older-than 1d
        """);

    private static Command Redecide() => Act(ControlVerb.Redecide, "redecide", """
        Decides mail again under the rules in force: those of the running gateway, or of --config where none runs. What gets no less
        protection changes at once. What would get less becomes a request, which another person has to approve.

        Examples:
          gateway queue redecide --all --dry-run
          gateway queue redecide --rule 'partners'
        """);

    private static Command Requests()
    {
        var options = new QueueOptionSet();
        var command = new Command("requests", """
            Lists the requests for less protection that wait for a second person.

            Example:
              gateway queue requests
            """);
        options.AddCommonTo(command);
        command.SetAction((parsed, ct) => QueueOutput.RunAsync(
            parsed, options, changes: false, () => new ControlRequest { Verb = ControlVerb.Requests }, ct));
        return command;
    }

    private static Command Approve()
    {
        var options = new QueueOptionSet();
        var id = new Argument<string>("REQUEST") { Description = "As 'queue requests' shows it." };
        var command = new Command("approve", """
            Agrees, as the second person, to a request for less protection. Both names stand in the audit.

            Examples:
              gateway queue approve 01jd8w2x9kq3m5n7p8r9st --dry-run
              gateway queue approve 01jd8w2x9kq3m5n7p8r9st
            """)
        { id, options.DryRun };
        options.AddCommonTo(command);
        command.SetAction((parsed, ct) => QueueOutput.RunAsync(parsed, options, changes: true, () => new ControlRequest
        {
            Verb = ControlVerb.Approve,
            Request = parsed.GetValue(id),
            DryRun = parsed.GetValue(options.DryRun),
        }, ct));
        return command;
    }

    private static Command Withdraw()
    {
        var options = new QueueOptionSet();
        var id = new Argument<string>("REQUEST") { Description = "As 'queue requests' shows it." };
        var command = new Command("withdraw", """
            Takes back your own request for less protection: nobody can approve it any more.

            Example:
              gateway queue withdraw 01jd8w2x9kq3m5n7p8r9st
            """)
        { id };
        options.AddCommonTo(command);
        command.SetAction((parsed, ct) => QueueOutput.RunAsync(
            parsed, options, changes: true, () => new ControlRequest { Verb = ControlVerb.Withdraw, Request = parsed.GetValue(id) }, ct));
        return command;
    }

    private static Command Act(
        ControlVerb verb, string name, string description, Option? more = null, Func<ParseResult, ControlRequest, ControlRequest>? complete = null)
    {
        var options = new QueueOptionSet();
        var command = new Command(name, description);
        if (more is not null)
            command.Add(more);
        options.AddFilterTo(command, changes: true);
        command.SetAction((parsed, ct) => QueueOutput.RunAsync(parsed, options, changes: true, () =>
        {
            var request = new ControlRequest { Verb = verb, Filter = options.Filter(parsed), DryRun = parsed.GetValue(options.DryRun) };
            return complete?.Invoke(parsed, request) ?? request;
        }, ct));
        return command;
    }
}
