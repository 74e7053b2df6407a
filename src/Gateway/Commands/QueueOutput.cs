using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using GatewaySecure.Gateway.Configuration;
using GatewaySecure.Gateway.Control;
using GatewaySecure.Gateway.Spool;

namespace GatewaySecure.Gateway.Commands;

/// <summary>Asks for a queue command and prints the answer as it comes, for people or as JSON. Exit status 0 only where everything asked was done.</summary>
internal sealed class QueueOutput(ControlRequest request, bool json) : IAsyncDisposable
{
    private readonly Utf8JsonWriter? _json = json
        ? new Utf8JsonWriter(Console.OpenStandardOutput(), new JsonWriterOptions { Indented = true })
        : null;

    // A long list must not cost a write for each line.
    private readonly StreamWriter _text = new(Console.OpenStandardOutput(), bufferSize: 64 << 10);

    private string? _shown;
    private bool _headed;

    public static async Task<int> RunAsync(
        ParseResult parsed, QueueOptionSet options, bool changes, Func<ControlRequest> make, CancellationToken cancellationToken)
    {
        try
        {
            var request = make();
            GatewayConfiguration? Configuration() => Load(parsed, options.Config);
            await using var session = await QueueSession.OpenAsync(
                parsed.GetValue(options.State)!, Configuration, changes && !request.DryRun, Unreadable, cancellationToken);
            await using var output = new QueueOutput(request, parsed.GetValue(options.Json));
            return await output.PrintAsync(session, cancellationToken);
        }
        catch (Exception e) when (e is ControlException or IOException or UnauthorizedAccessException)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return ExitCode.Problem;
        }
    }

    public ValueTask DisposeAsync() => _text.DisposeAsync();

    /// <summary>Null where none is named and none is there.</summary>
    private static GatewayConfiguration? Load(ParseResult parsed, Option<string> option)
    {
        var file = parsed.GetValue(option)!;
        var isNamed = parsed.GetResult(option) is { Implicit: false };
        if (!isNamed && !File.Exists(file))
            return null;
        var result = ConfigurationLoader.Load(file);
        if (result.Configuration is null && isNamed)
            throw new ControlException($"{file} can't be used; 'gateway policy check {file}' says why.");
        return result.Configuration;
    }

    private static void Unreadable(string file, string reason) => Console.Error.WriteLine($"{file} can't be read: {reason}");

    private async Task<int> PrintAsync(QueueSession session, CancellationToken cancellationToken)
    {
        ControlDone? done = null;
        _json?.WriteStartArray();
        await foreach (var reply in session.RunAsync(request, cancellationToken))
        {
            if (reply.Problem is { } problem)
                throw new ControlException(problem);
            done = reply.Done ?? done;
            if (_json is not null)
                PrintJson(reply);
            else
                Print(reply);
            // What was done is told at once: the next one may take long.
            if (IsCommand)
                await _text.FlushAsync(cancellationToken);
        }
        await _text.FlushAsync(cancellationToken);
        if (_json is not null)
        {
            _json.WriteEndArray();
            await _json.FlushAsync(cancellationToken);
            Console.WriteLine();
        }
        // Of what was done, and whether all of it could be; a question that nothing answers is none.
        if (done is { Text.Length: > 0 } && (_json is null || IsCommand))
            await (_json is null ? Console.Out : Console.Error).WriteLineAsync(done.Text);
        var named = IsCommand || request.Whole;
        return done is null || done.Failed > 0 || (named && done.Mails == 0 && request.Verb != ControlVerb.Redecide) ? ExitCode.Problem : ExitCode.Success;
    }

    private bool IsCommand => request.Verb is not (ControlVerb.List or ControlVerb.Summary or ControlVerb.Requests);

    private void PrintJson(ControlReply reply)
    {
        if (reply.Line is { } line)
            JsonSerializer.Serialize(_json!, line, ControlJson.Default.QueueLine);
        else if (reply.Row is { } row)
            JsonSerializer.Serialize(_json!, row, ControlJson.Default.SummaryRow);
        else if (reply.Request is { } asked)
            JsonSerializer.Serialize(_json!, asked, ControlJson.Default.LoweringRequest);
    }

    private void Print(ControlReply reply)
    {
        if (reply.Line is { } line)
        {
            if (request.Whole)
                PrintWhole(line);
            else if (line.Outcome is { } outcome)
                _text.WriteLine($"{line.Id}  {line.Sender} → {line.Recipient}  {outcome}");
            else
                _text.WriteLine($"{line.Id}  {line.State,-6} {line.Sender} → {line.Recipient}  {line.Reason}");
        }
        else if (reply.Row is { } row)
            PrintRow(row);
        else if (reply.Request is { } asked)
            PrintRequest(asked);
    }

    private void PrintWhole(QueueLine line)
    {
        if (_shown != line.Id)
        {
            _text.WriteLine($"{line.Id}, {line.Size} octets, accepted {CommonOptions.Time(line.Accepted)} from {line.Peer}, sender {line.Sender}");
            if (!line.RemovedFields.IsEmpty)
                _text.WriteLine($"  removed from its header: {string.Join(", ", line.RemovedFields)}");
        }
        _shown = line.Id;
        _text.WriteLine($"  {line.Recipient}: {line.State}, {line.Attempts} attempts{(line.NextHop is null ? "" : $", by {line.NextHop}")}");
        _text.WriteLine($"    decided by {line.Decision}");
        if (line.FirstDecision is { } first)
            _text.WriteLine($"    accepted under {first}");
        if (line.Reason is not null)
            _text.WriteLine($"    {line.Reason}");
        if (line.NextAttempt is { } next)
            _text.WriteLine($"    next attempt {CommonOptions.Time(next)}");
    }

    private void PrintRow(SummaryRow row)
    {
        if (!_headed)
            _text.WriteLine($"{"domain",-40}{"total",8}{"held",8}{string.Concat(QueueViews.AgeLimits.Select(l => $"{"<" + Short(l),8}"))}{"older",8}");
        _headed = true;
        _text.WriteLine($"{row.Domain,-40}{row.Total,8}{row.Held,8}{string.Concat(row.ByAge.Select(n => $"{n,8}"))}");
    }

    private void PrintRequest(LoweringRequest asked)
    {
        _text.WriteLine($"Request {asked.Id} by {asked.By.Description}, {CommonOptions.Time(asked.At)}, policy version {asked.PolicyVersion}:");
        foreach (var lowering in asked.Lowerings)
            _text.WriteLine($"  {lowering.Mail}  {lowering.Sender} → {lowering.Shown}");
        _text.WriteLine($"  Another person lets it happen, until {CommonOptions.Time(asked.Expires)}, with: gateway queue approve {asked.Id}");
    }

    private static string Short(TimeSpan limit) => limit switch
    {
        { TotalDays: >= 1 } => $"{limit.TotalDays:0}d",
        { TotalHours: >= 1 } => $"{limit.TotalHours:0}h",
        _ => $"{limit.TotalMinutes:0}m",
    };
}
