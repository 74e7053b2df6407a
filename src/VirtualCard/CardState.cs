namespace GatewaySecure.VirtualCard;

/// <summary>Everything of an OpenPGP card that survives a power cycle.</summary>
internal sealed class CardState : CardMemory
{
    public override string Kind { get; set; } = "openpgp";

    public override bool IsComplete => Kind == "openpgp" && Serial.Length == 4 && Certificates.Length == 3;

    public bool Terminated { get; set; }

    public PinRecord UserPin { get; set; } = new();

    public PinRecord AdminPin { get; set; } = new();

    /// <summary>Empty hash: no resetting code is set.</summary>
    public PinRecord ResettingCode { get; set; } = new();

    /// <summary>First octet of C4: whether one VERIFY serves several signatures.</summary>
    public bool SignaturePinStays { get; set; }

    public int SignatureCount { get; set; }

    public KeySlot Sign { get; set; } = new();

    public KeySlot Decipher { get; set; } = new();

    public KeySlot Authenticate { get; set; } = new();

    /// <summary>Slot D5: 16 or 32 octets, or empty.</summary>
    public byte[] AesKey { get; set; } = [];

    /// <summary>Plain data objects by tag, four hexadecimal digits.</summary>
    public Dictionary<string, byte[]> Objects { get; set; } = [];

    /// <summary>Occurrences 0 (authentication), 1 (decipher), 2 (signature) of 7F21.</summary>
    public byte[][] Certificates { get; set; } = [[], [], []];
}

/// <summary>One asymmetric key with what the client stores beside it.</summary>
internal sealed class KeySlot
{
    public byte[] Attributes { get; set; } = [0x01, 0x08, 0x00, 0x00, 0x20, 0x00];

    /// <summary>PKCS#8, or empty.</summary>
    public byte[] PrivateKey { get; set; } = [];

    /// <summary>0 none, 1 generated on the card, 2 imported.</summary>
    public byte Origin { get; set; }

    public byte[] Fingerprint { get; set; } = new byte[20];

    public byte[] CaFingerprint { get; set; } = new byte[20];

    public byte[] Created { get; set; } = new byte[4];
}
