using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using GatewaySecure.Gateway.Jobs;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Policies;

namespace GatewaySecure.Gateway.Control;

/// <summary>What can be asked of the running gateway. The names are part of the control protocol (docs/operations/queue-control.md).</summary>
internal enum ControlVerb
{
    List,
    Summary,
    Hold,
    Release,
    Retry,
    Delete,
    Bounce,
    Redecide,
    Requests,
    Approve,
    Withdraw,
    Jobs,
    RunJob,
    PauseJob,
    ResumeJob,
}

/// <summary>One question or command: one line of JSON.</summary>
internal sealed record ControlRequest
{
    public required ControlVerb Verb { get; init; }

    /// <summary>Which mails, and which of their recipients.</summary>
    public QueueFilter Filter { get => field ?? new(); init; }

    /// <summary>Only say what would be done.</summary>
    public bool DryRun { get; init; }

    /// <summary>List: also recipients that are done.</summary>
    public bool Whole { get; init; }

    /// <summary>Release: how what a rule held is to be protected.</summary>
    public ProtectionMethod? Method { get; init; }

    /// <summary>Approve, withdraw: which request.</summary>
    public string? Request { get; init; }

    /// <summary>Which job; one that ends in <c>*</c> means all whose names begin so. Jobs: null means all.</summary>
    public string? Job { get; init; }
}

/// <summary>One line of the answer; one member is set. The last one is <see cref="Done"/> or <see cref="Problem"/> without a mail.</summary>
internal sealed record ControlReply
{
    /// <summary>One recipient of one mail, and for a command what became of him.</summary>
    public QueueLine? Line { get; init; }

    public SummaryRow? Row { get; init; }

    public LoweringRequest? Request { get; init; }

    /// <summary>How one job stands, or stood when it was done.</summary>
    public JobStatus? Job { get; init; }

    public ControlDone? Done { get; init; }

    /// <summary>The command was not carried out, or stopped there; one plain sentence.</summary>
    public string? Problem { get; init; }
}

/// <summary>The end of an answer.</summary>
/// <param name="Mails">That matched, or were changed; of jobs: how many.</param>
/// <param name="Failed">Recipients that could not be changed; their lines say why.</param>
/// <param name="Text">One plain sentence.</param>
internal sealed record ControlDone(int Mails, int Recipients, int Failed, string Text);

/// <summary>What is told of one recipient of one mail.</summary>
internal sealed record QueueLine
{
    public required string Id { get; init; }

    public required DateTimeOffset Accepted { get; init; }

    /// <summary>In octets.</summary>
    public required long Size { get; init; }

    /// <summary>The address it came from.</summary>
    public required string Peer { get; init; }

    /// <summary>Names of the header fields that its peer may not bring, and that were removed.</summary>
    public ImmutableArray<string> RemovedFields { get; init; } = [];

    public required string Sender { get; init; }

    public required string Recipient { get; init; }

    public required RecipientState State { get; init; }

    public required int Attempts { get; init; }

    public DateTimeOffset? NextAttempt { get; init; }

    public string? Reason { get; init; }

    public required string Rule { get; init; }

    public required string Decision { get; init; }

    public required ImmutableArray<ProtectionMethod> Methods { get; init; }

    /// <summary>The decision with which the mail was accepted, where it is another one now.</summary>
    public string? FirstDecision { get; init; }

    /// <summary>Null where it is not known without a configuration.</summary>
    public string? NextHop { get; init; }

    /// <summary>Of a command: what was done, or would be.</summary>
    public string? Outcome { get; init; }

    /// <summary>Of a command: it could not be done, <see cref="Outcome"/> says why.</summary>
    public bool Failed { get; init; }
}

/// <summary>The mail for one domain.</summary>
/// <param name="ByAge">Recipients by the age of their mail; the limits are <see cref="QueueViews.AgeLimits"/>, and one more for older.</param>
internal sealed record SummaryRow(string Domain, int Total, int Held, ImmutableArray<int> ByAge);

/// <summary>Requests and answers as JSON, without reflection at run time. Words instead of numbers.</summary>
[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    Converters =
    [
        typeof(Words<ControlVerb>), typeof(Words<RecipientState>), typeof(Words<ProtectionMethod>), typeof(Words<DecisionAction>),
        typeof(Words<WhenUnavailable>),
    ])]
[JsonSerializable(typeof(ControlRequest))]
[JsonSerializable(typeof(ControlReply))]
[JsonSerializable(typeof(LoweringRequest))]
[JsonSerializable(typeof(QueueLine))]
[JsonSerializable(typeof(SummaryRow))]
[JsonSerializable(typeof(JobStatus))]
internal sealed partial class ControlJson : JsonSerializerContext;

/// <summary>A value by its word, and by nothing else.</summary>
internal sealed class Words<T>() : JsonStringEnumConverter<T>(JsonNamingPolicy.CamelCase, allowIntegerValues: false)
    where T : struct, Enum;
