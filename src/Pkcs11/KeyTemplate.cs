namespace GatewaySecure.Pkcs11;

/// <summary>What a key may be used for. All are told to the token, the absent ones as forbidden: tokens' defaults allow too much.</summary>
[Flags]
public enum KeyUses
{
    None = 0,
    Encrypt = 1,
    Decrypt = 2,
    Sign = 4,
    Verify = 8,
    Wrap = 16,
    Unwrap = 32,
    Derive = 64,
}

/// <summary>
/// A key's attributes as given at its making. Secret and private keys are SENSITIVE, not EXTRACTABLE and private
/// unless said otherwise; what is not said of an <see cref="Extractable"/> key is how it may leave.
/// </summary>
public sealed record KeyTemplate(KeyUses Uses)
{
    public string? Label { get; init; }

    public ReadOnlyMemory<byte> Id { get; init; }

    /// <summary>Stays in the token; else it ends with the session.</summary>
    public bool OnToken { get; init; }

    /// <summary>Seen and used after a user's login only. The security officer makes and sees none such.</summary>
    public bool Private { get; init; } = true;

    public bool Sensitive { get; init; } = true;

    public bool Extractable { get; init; }

    /// <summary>Leaves under a <see cref="Trusted"/> key only.</summary>
    public bool WrapWithTrusted { get; init; }

    /// <summary>Keys that demand it may leave under this one. Only the security officer can set it.</summary>
    public bool Trusted { get; init; }

    /// <summary>False: nobody who is logged in changes its attributes.</summary>
    public bool Modifiable { get; init; } = true;

    /// <summary>What any key must be that is unwrapped with this one, whatever the caller asks for.</summary>
    public KeyDemands? Unwrapped { get; init; }

    /// <summary>What any key must be that is wrapped with this one.</summary>
    public KeyDemands? Wrapped { get; init; }
}

/// <summary>Attributes that a wrapping key demands of other keys (CKA_UNWRAP_TEMPLATE, CKA_WRAP_TEMPLATE); null: no demand.</summary>
public sealed record KeyDemands
{
    public bool? Sensitive { get; init; }

    public bool? WrapWithTrusted { get; init; }

    public bool? Derive { get; init; }
}

/// <summary>What the token says of a key; null where it does not know the attribute.</summary>
public sealed record KeyFacts(
    KeyUses Uses,
    string Label,
    bool OnToken,
    bool Private,
    bool? Sensitive,
    bool? Extractable,
    bool? AlwaysSensitive,
    bool? NeverExtractable,
    bool? Local,
    bool? WrapWithTrusted,
    bool? Trusted,
    bool? Modifiable);

/// <summary>Kinds of objects on a token.</summary>
public enum TokenObjectKind
{
    SecretKey,
    PrivateKey,
    PublicKey,
    Certificate,
    Data,
}

/// <summary>An object on a token, valid for the sessions of one program with it.</summary>
public readonly record struct TokenObject(ulong Handle);

/// <summary>Both halves of a pair.</summary>
public readonly record struct TokenKeyPair(TokenObject Public, TokenObject Private);

/// <summary>How a key is wrapped.</summary>
public enum WrapMethod
{
    /// <summary>RFC 3394: keys of whole 8 octets.</summary>
    AesKeyWrap,

    /// <summary>RFC 5649: anything, such as a private key in PKCS #8.</summary>
    AesKeyWrapPadded,

    /// <summary>RSA-OAEP with SHA-1 and MGF1 of SHA-1: the one that every token can do.</summary>
    RsaOaepSha1,

    RsaOaepSha256,
}
