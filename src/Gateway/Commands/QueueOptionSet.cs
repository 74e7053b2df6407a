using System.Collections.Immutable;
using System.CommandLine;
using GatewaySecure.Gateway.Configuration;
using GatewaySecure.Gateway.Control;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Settings;

namespace GatewaySecure.Gateway.Commands;

/// <summary>The options that every <c>gateway queue</c> command has, and the filter that they make.</summary>
internal sealed class QueueOptionSet
{
    private readonly Argument<string[]> _ids = new("ID") { Description = "Mails, as 'queue list' shows them.", Arity = ArgumentArity.ZeroOrMore };
    private readonly Option<string[]> _sender = Many("--sender", "bob@example.org, example.org, '*.example.org' or '<>'.");
    private readonly Option<string[]> _recipient = Many("--recipient", "The same, of the recipient.");
    private readonly Option<string[]> _domain = Many("--domain", "The recipient's domain.");
    private readonly Option<string[]> _nextHop = Many("--next-hop", "By its name in the configuration.");
    private readonly Option<string[]> _rule = Many("--rule", "The rule that decided.");
    private readonly Option<string?> _reason = new("--reason") { Description = "Occurs in the last reason." };
    private readonly Option<string?> _status = new("--status") { Description = "queued or held." };
    private readonly Option<string?> _olderThan = new("--older-than") { Description = "Accepted longer ago, such as 30m or 2d." };
    private readonly Option<bool> _all = new("--all") { Description = "Everything; has to be written out." };

    public Option<string> State { get; } = CommonOptions.State();

    public Option<string> Config { get; } = CommonOptions.Config();

    public Option<bool> Json { get; } = CommonOptions.AsJson();

    public Option<bool> DryRun { get; } = new("--dry-run") { Description = "Only say what would be done." };

    /// <param name="changes">It takes --dry-run.</param>
    public Command AddFilterTo(Command command, bool changes)
    {
        command.Add(_ids);
        foreach (var option in new Option[] { _sender, _recipient, _domain, _nextHop, _status, _olderThan, _rule, _reason, _all })
            command.Add(option);
        if (changes)
            command.Add(DryRun);
        return AddCommonTo(command);
    }

    public Command AddCommonTo(Command command)
    {
        command.Add(State);
        command.Add(Config);
        command.Add(Json);
        return command;
    }

    /// <exception cref="ControlException">A value is none.</exception>
    public QueueFilter Filter(ParseResult parsed) => new()
    {
        Ids = [.. parsed.GetValue(_ids) ?? []],
        Sender = Values(parsed, _sender),
        Recipient = Values(parsed, _recipient),
        Domain = Values(parsed, _domain),
        NextHop = Values(parsed, _nextHop),
        Rule = Values(parsed, _rule),
        Reason = parsed.GetValue(_reason),
        State = StateOf(parsed.GetValue(_status)),
        OlderThan = AgeOf(parsed.GetValue(_olderThan)),
        All = parsed.GetValue(_all),
    };

    private static ImmutableArray<string> Values(ParseResult parsed, Option<string[]> option) => [.. parsed.GetValue(option) ?? []];

    private static RecipientState? StateOf(string? text) => text switch
    {
        null => null,
        "queued" => RecipientState.Queued,
        "held" => RecipientState.Held,
        _ => throw new ControlException($"'{text}' is no state; write queued or held."),
    };

    private static TimeSpan? AgeOf(string? text)
    {
        if (text is null)
            return null;
        return ValueParsers.Duration(text, out var age, out var problem) ? age : throw new ControlException($"--older-than '{text}' {problem}.");
    }

    private static Option<string[]> Many(string name, string description) => new(name) { Description = description };
}
