using System.Text.Json;
using System.Text.Json.Serialization;

namespace GatewaySecure.TrustFetch;

/// <summary>What is known of one source, kept beside its list. Times are UTC.</summary>
public sealed record ListState
{
    public required string Address { get; init; }

    public DateTimeOffset? CheckedAt { get; init; }

    /// <summary>When the list that is kept came.</summary>
    public DateTimeOffset? FetchedAt { get; init; }

    public string? ETag { get; init; }

    public DateTimeOffset? LastModified { get; init; }

    /// <summary>One after the other, up to now.</summary>
    public int Failures { get; init; }

    /// <summary>Since when it fails.</summary>
    public DateTimeOffset? FailingSince { get; init; }

    public string? Problem { get; init; }

    /// <summary>Of the list that is kept.</summary>
    public string? Issuer { get; init; }

    public DateTimeOffset? ThisUpdate { get; init; }

    public DateTimeOffset? NextUpdate { get; init; }

    public string? Number { get; init; }

    public int? Entries { get; init; }

    public long? Octets { get; init; }
}

/// <summary>The file of a <see cref="ListState"/>.</summary>
[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, WriteIndented = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ListState))]
internal sealed partial class StateJson : JsonSerializerContext;
