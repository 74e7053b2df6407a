using System.Text.Json;
using System.Text.Json.Serialization;
using GatewaySecure.Addresses;
using GatewaySecure.Policies;

namespace GatewaySecure.Gateway.Spool;

/// <summary>The metadata block: <see cref="AcceptedMail"/> as JSON, enumerations by name.</summary>
[JsonSourceGenerationOptions(UseStringEnumConverter = true, Converters = [typeof(MailAddressConverter)],
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
/// <summary>What was settled at acceptance, as JSON, without reflection at run time.</summary>
[JsonSerializable(typeof(AcceptedMail))]
internal sealed partial class MailJson : JsonSerializerContext;

/// <summary>The journal's entries as JSON; states by number, what decisions hold by name.</summary>
[JsonSourceGenerationOptions(
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    Converters =
    [
        typeof(JsonStringEnumConverter<ProtectionMethod>),
        typeof(JsonStringEnumConverter<DecisionAction>),
        typeof(JsonStringEnumConverter<WhenUnavailable>),
        typeof(JsonStringEnumConverter<TnefHandling>),
    ])]
[JsonSerializable(typeof(JournalEntry))]
internal sealed partial class JournalJson : JsonSerializerContext;

/// <summary>One record of the journal: new statuses and decisions, or a group's kept state.</summary>
internal sealed record JournalEntry
{
    public StatusChange[]? Changes { get; init; }

    public DecisionChange[]? Decisions { get; init; }

    public string? Group { get; init; }

    public byte[]? State { get; init; }
}

/// <summary>One recipient of a journal entry, with his whole new status.</summary>
/// <param name="Index">Into the envelope's recipients.</param>
internal sealed record StatusChange(int Index, RecipientStatus Status);

/// <summary>One recipient of a journal entry, with the decision that holds for him from here on.</summary>
/// <param name="Index">Into the envelope's recipients.</param>
internal sealed record DecisionChange(int Index, Decision Decision);

/// <summary>An address as it was written.</summary>
internal sealed class MailAddressConverter : JsonConverter<MailAddress>
{
    public override MailAddress Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        MailAddress.TryParse(reader.GetString(), out var address) ? address : throw new JsonException("Not a mail address.");

    public override void Write(Utf8JsonWriter writer, MailAddress value, JsonSerializerOptions options) =>
        writer.WriteStringValue(value.ToString());
}
