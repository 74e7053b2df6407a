namespace GatewaySecure.VirtualCard;

/// <summary>Everything of a PIV card that survives a power cycle.</summary>
internal sealed class PivState : CardMemory
{
    public override string Kind { get; set; } = "piv";

    public override bool IsComplete => Kind == "piv" && Serial.Length == 4 && ManagementKey.Length > 0;

    public PinRecord UserPin { get; set; } = new();

    /// <summary>PUK.</summary>
    public PinRecord UnblockingPin { get; set; } = new();

    /// <summary>Algorithm of the management key: 03 3DES, 08, 0A, 0C AES with 128, 192, 256 bits.</summary>
    public byte ManagementAlgorithm { get; set; } = 0x03;

    public byte[] ManagementKey { get; set; } = [];

    /// <summary>By key reference, two hexadecimal digits.</summary>
    public Dictionary<string, PivKey> Keys { get; set; } = [];

    /// <summary>Contents of the container 53, by tag, six hexadecimal digits.</summary>
    public Dictionary<string, byte[]> Objects { get; set; } = [];
}

/// <summary>One asymmetric key.</summary>
internal sealed class PivKey
{
    /// <summary>05, 07, 16: RSA with 3072, 2048, 4096 bits; 11, 14: P-256, P-384 (SP 800-78-5 table 8; 16 as vendors have it).</summary>
    public byte Algorithm { get; set; }

    /// <summary>PKCS#8.</summary>
    public byte[] PrivateKey { get; set; } = [];

    /// <summary>1 generated on the card, 2 imported.</summary>
    public byte Origin { get; set; }
}
