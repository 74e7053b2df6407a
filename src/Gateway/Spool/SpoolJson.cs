using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using GatewaySecure.Addresses;
using GatewaySecure.Policies;

namespace GatewaySecure.Gateway.Spool;

/// <summary>The metadata block: <see cref="AcceptedMail"/> as JSON, enumerations by name.</summary>
[JsonSourceGenerationOptions(UseStringEnumConverter = true, Converters = [typeof(MailAddressConverter)],
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(AcceptedMail))]
internal sealed partial class MailJson : JsonSerializerContext;

/// <summary>How the metadata block is written and read.</summary>
internal static class MailMetadata
{
    /// <summary>Absent is null: a mail from <c>&lt;&gt;</c> has no member for its sender, though whoever makes an envelope has to say it.</summary>
    public static JsonTypeInfo<AcceptedMail> Format { get; } = (JsonTypeInfo<AcceptedMail>)new JsonSerializerOptions(MailJson.Default.Options)
    {
        TypeInfoResolver = MailJson.Default.WithAddedModifier(AllowNoSender),
    }.GetTypeInfo(typeof(AcceptedMail));

    private static void AllowNoSender(JsonTypeInfo type)
    {
        if (type.Type == typeof(Smtp.Envelope))
            type.Properties.First(p => p.Name == nameof(Smtp.Envelope.Sender)).IsRequired = false;
    }
}

/// <summary>The journal's entries as JSON; states by number, what decisions hold by name.</summary>
[JsonSourceGenerationOptions(
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    Converters =
    [
        typeof(JsonStringEnumConverter<ProtectionMethod>),
        typeof(JsonStringEnumConverter<DecisionAction>),
        typeof(JsonStringEnumConverter<WhenUnavailable>),
        typeof(JsonStringEnumConverter<TnefHandling>),
        typeof(JsonStringEnumConverter<SmimeHandling>),
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
