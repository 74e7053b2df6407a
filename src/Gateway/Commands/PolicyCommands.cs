using System.Collections.Immutable;
using System.CommandLine;
using System.Text.Json;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Configuration;
using GatewaySecure.Gateway.Receiving;
using GatewaySecure.Policies;

namespace GatewaySecure.Gateway.Commands;

/// <summary><c>gateway policy</c>: checks a configuration, and explains what would happen to a mail by the evaluator of the mail path.</summary>
internal static class PolicyCommands
{
    public static Command Create(Func<GatewayConfiguration, string?, IProtectionPreview> preview) =>
        new("policy", "Checks rules, and explains what they do.") { Check(), Explain(preview) };

    private static Command Check()
    {
        var file = new Argument<string>("FILE") { Description = "The configuration file." };
        var json = CommonOptions.AsJson();
        var check = new Command("check", """
            Finds everything that is wrong with a configuration, with line and key. Exit status 0: it can be used.

            Example:
              gateway policy check gateway.yaml
            """)
        { file, json };
        check.SetAction(parsed =>
        {
            var result = ConfigurationLoader.Load(parsed.GetValue(file)!);
            if (parsed.GetValue(json))
                Console.WriteLine(JsonSerializer.Serialize(result.Problems, CommonOptions.Json));
            else
            {
                foreach (var problem in result.Problems)
                    Console.WriteLine($"{(problem.IsError ? "error" : "warning")}: {problem}");
                Console.WriteLine(result.Configuration is { } good
                    ? $"The configuration can be used. {good.Policy.Rules.Length} rules, policy version {good.Policy.Version}."
                    : $"The configuration can't be used: {result.Problems.Count(p => p.IsError)} errors.");
            }
            return result.Configuration is null ? ExitCode.Problem : ExitCode.Success;
        });
        return check;
    }

    private static Command Explain(Func<GatewayConfiguration, string?, IProtectionPreview> preview)
    {
        var config = CommonOptions.Config();
        var state = new Option<string?>("--state") { Description = "The gateway's state directory, to see which certificate or ticket would be used." };
        var from = new Option<string>("--from") { Description = "The sender; <> for none.", Required = true };
        var to = new Option<string[]>("--to") { Description = "A recipient; may be given several times.", Required = true, AllowMultipleArgumentsPerToken = true };
        var subject = new Option<string?>("--subject") { Description = "The subject." };
        var header = new Option<string[]>("--header") { Description = "A header field \"Name: value\"; may be given several times." };
        var eml = new Option<string?>("--eml") { Description = "A message file, whose header fields are used." };
        var kind = new Option<MailKind?>("--kind") { Description = "As if it were of this kind: calendar, receipt or report. Without it: by the structure of --eml." };
        var words = string.Join(", ", AuthenticationVerdicts.Words.Select(w => w.Word));
        var authenticated = new Option<string[]>("--authenticated")
        {
            Description = $"As if its examination had come to this; may be given several times: {words}.",
            AllowMultipleArgumentsPerToken = true,
        };
        authenticated.AcceptOnlyFromAmong([.. AuthenticationVerdicts.Words.Select(w => w.Word)]);
        var outside = new Option<bool>("--outside") { Description = "As if it came from outside without authentication: always inbound." };
        var json = CommonOptions.AsJson();
        var explain = new Command("explain", """
            Says for each recipient which rule wins and why the others do not, and which certificate or ticket would be used.

            Examples:
              gateway policy explain --from alice@example.org --to bob@partner.example --subject "Offer" --state /var/lib/gatewaysecure
              gateway policy explain --from alice@example.org --to bob@example.org --eml mail.eml --json
            """)
        { config, state, from, to, subject, header, eml, kind, authenticated, outside, json };
        explain.SetAction(async (parsed, cancellationToken) =>
        {
            if (CommonOptions.Load(parsed.GetValue(config)!) is not { } configuration)
                return ExitCode.Problem;
            var headers = Headers(parsed.GetValue(subject), parsed.GetValue(header) ?? [], parsed.GetValue(eml));
            var sender = parsed.GetValue(from) is "<>" ? null : Parse(parsed.GetValue(from)!);
            var recipients = parsed.GetValue(to)!.Select(Parse).ToList();
            if (headers is null || recipients.Contains(null) || (sender is null && parsed.GetValue(from) != "<>"))
                return ExitCode.Problem;

            var of = parsed.GetValue(kind) ?? (parsed.GetValue(eml) is { } file ? MailKinds.OfFile(file, sender is null) : MailKind.Ordinary);
            var verdicts = AuthenticationVerdicts.Words.Where(w => (parsed.GetValue(authenticated) ?? []).Contains(w.Word)).Select(w => w.Verdict);
            var content = new ContentFacts(headers.Value, of, [.. verdicts]);
            var look = preview(configuration, parsed.GetValue(state));
            var answers = new List<Answer>();
            foreach (var recipient in recipients)
                answers.Add(await AnswerAsync(configuration.Policy, look, sender, recipient!, content, parsed.GetValue(outside), cancellationToken));
            if (parsed.GetValue(json))
                Console.WriteLine(JsonSerializer.Serialize(answers, CommonOptions.Json));
            else
                answers.ForEach(Print);
            return ExitCode.Success;
        });
        return explain;
    }

    private static async Task<Answer> AnswerAsync(
        PolicySnapshot policy,
        IProtectionPreview look,
        MailAddress? sender,
        MailAddress recipient,
        ContentFacts content,
        bool outside,
        CancellationToken cancellationToken)
    {
        var direction = outside ? Direction.Inbound : policy.DirectionOf(sender, recipient);
        var explanation = PolicyEngine.Explain(policy, new MailFacts
        {
            Direction = direction,
            Sender = sender,
            Recipient = recipient,
            Headers = content.Headers,
            Kind = content.Kind,
            Authentication = content.Authentication,
        });
        var uses = ImmutableArray.CreateBuilder<MethodPreview>();
        foreach (var method in explanation.Decision.Methods)
            uses.Add(new MethodPreview(method, await look.PreviewAsync(method, direction, sender, recipient, cancellationToken)));
        return new Answer(recipient.ToString(), direction, explanation.Decision, explanation.Rules, uses.ToImmutable());
    }

    private static void Print(Answer answer)
    {
        Console.WriteLine($"{answer.Recipient} ({Word(answer.Direction)}, policy version {answer.Decision.PolicyVersion})");
        foreach (var note in answer.Rules)
            Console.WriteLine($"  {(note.Finding == RuleFinding.Won ? "→" : " ")} {note.Rule}: {note.Why}");
        if (answer.Decision.Rule == PolicyEngine.DefaultRule)
            Console.WriteLine($"  → {PolicyEngine.DefaultRule}: no rule matches");
        if (answer.Decision.Action != DecisionAction.Protect)
        {
            Console.WriteLine($"  Outcome: {(answer.Decision.Action == DecisionAction.Reject ? "refused with 550" : "held for a person")}.");
            return;
        }
        if (answer.Decision.Smime != SmimeHandling.Leave)
            Console.WriteLine($"  S/MIME: {(answer.Decision.Smime == SmimeHandling.Open ? "signatures are judged, and what a key of 'opening' opens goes on without its encryption" : "signatures are judged, nothing is opened")}");
        foreach (var (method, lines) in answer.Uses)
            Console.WriteLine($"  {Word(method)}: {string.Join("; ", lines)}");
        Console.WriteLine($"  Outcome: {string.Join(", else ", answer.Decision.Methods.Select(Word))}"
            + (answer.Decision.Methods[^1] == ProtectionMethod.Normal ? "." : $"; where that can't be had: {Word(answer.Decision.WhenUnavailable)}."));
    }

    private static ImmutableArray<HeaderFact>? Headers(string? subject, string[] fields, string? eml)
    {
        var headers = ImmutableArray.CreateBuilder<HeaderFact>();
        try
        {
            if (eml is not null)
            {
                using var file = File.OpenRead(eml);
                headers.AddRange(HeaderFacts.ReadFrom(file));
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine($"{eml} can't be read: {e.Message}");
            return null;
        }
        if (subject is not null)
            headers.Add(new HeaderFact("Subject", subject));
        foreach (var field in fields)
        {
            var colon = field.IndexOf(':', StringComparison.Ordinal);
            if (colon <= 0)
            {
                Console.Error.WriteLine($"'{field}' is not of the form \"Name: value\".");
                return null;
            }
            headers.Add(new HeaderFact(field[..colon].Trim(), field[(colon + 1)..].Trim()));
        }
        return headers.ToImmutable();
    }

    private static MailAddress? Parse(string text)
    {
        if (MailAddress.TryParse(text, out var address))
            return address;
        Console.Error.WriteLine($"'{text}' is not a mail address.");
        return null;
    }

    private static string Word<T>(T value)
        where T : struct, Enum => value.ToString().ToLowerInvariant();

    private sealed record Answer(
        string Recipient, Direction Direction, Decision Decision, ImmutableArray<RuleNote> Rules, ImmutableArray<MethodPreview> Uses);

    private sealed record MethodPreview(ProtectionMethod Method, ImmutableArray<string> Lines);
}
