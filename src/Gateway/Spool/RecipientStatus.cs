using System.Text.Json.Serialization;

namespace GatewaySecure.Gateway.Spool;

/// <summary>How far one recipient is. Values are part of the journal's format: never renumber.</summary>
internal enum RecipientState
{
    /// <summary>To be tried, now or later.</summary>
    Queued = 0,

    /// <summary>What its rule demands can't be had, or the rule says hold: nothing is sent. Protection is tried again at intervals.</summary>
    Held = 1,

    /// <summary>The next hop took over.</summary>
    Delivered = 2,

    /// <summary>Given up; the report about it is in the spool, or none is owed.</summary>
    Failed = 3,

    /// <summary>Removed by a person; nobody is told.</summary>
    Deleted = 4,
}

/// <summary>The status of one recipient, journalled whole at each change.</summary>
/// <param name="State">How far it is.</param>
/// <param name="Attempts">Tries so far, of any outcome.</param>
/// <param name="NextAttempt">When to try again; null where nothing is to be tried.</param>
/// <param name="Reason">Last reply or reason, one plain line; null before the first attempt.</param>
/// <param name="DelayReported">The sender was told that it takes longer or is held.</param>
/// <param name="ReleasedAt">The mail's age when it was let go on, from which its expiry counts; null: from its arrival.</param>
/// <param name="Expires">True of one who is held for something that comes back by itself: given up in time, like one who is queued.</param>
internal sealed record RecipientStatus(
    RecipientState State,
    int Attempts,
    DateTimeOffset? NextAttempt,
    string? Reason,
    bool DelayReported,
    TimeSpan? ReleasedAt = null,
    bool? Expires = null)
{
    public static RecipientStatus New { get; } = new(RecipientState.Queued, 0, null, null, false);

    /// <summary>Given up once he was tried for long enough.</summary>
    [JsonIgnore]
    public bool MayExpire => State == RecipientState.Queued || this is { State: RecipientState.Held, NextAttempt: not null, Expires: true };

    public bool IsFinal => State is RecipientState.Delivered or RecipientState.Failed or RecipientState.Deleted;
}
