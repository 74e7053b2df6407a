namespace GatewaySecure.VirtualCard;

/// <summary>What the file of a virtual card holds. The keys stand there in clear: a card for trials.</summary>
internal abstract class CardMemory
{
    public string Note { get; set; } = "A virtual card FOR TRIALS: its keys stand in this file in clear. Not for real use.";

    /// <summary>Which card this is.</summary>
    public abstract string Kind { get; set; }

    /// <summary>Four random octets.</summary>
    public byte[] Serial { get; set; } = [];

    /// <summary>False where the file was not such a card's.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public abstract bool IsComplete { get; }
}
