using Net.Pkcs11Interop.HighLevelAPI;

namespace GatewaySecure.Pkcs11;

/// <summary>How many tries a PIN has left, as coarsely as PKCS#11 tells it.</summary>
public enum PinTries
{
    /// <summary>None was wrong since the last right one.</summary>
    All,

    /// <summary>At least one was wrong since.</summary>
    Fewer,

    /// <summary>One more wrong try locks it.</summary>
    Last,

    Locked,
}

/// <summary>What a token tells about itself without a PIN.</summary>
/// <param name="HasPinPad">The PIN is typed at the reader; none is given by the program.</param>
public sealed record TokenDescription(
    string Label,
    string Serial,
    string Manufacturer,
    string Model,
    bool IsInitialized,
    bool HasUserPin,
    bool NeedsLogin,
    bool HasPinPad,
    int MinimumPinLength,
    int MaximumPinLength,
    PinTries UserPin,
    PinTries OfficerPin)
{
    internal static TokenDescription From(ITokenInfo info)
    {
        var flags = info.TokenFlags;
        return new TokenDescription(
            info.Label.TrimEnd(), info.SerialNumber.TrimEnd(), info.ManufacturerId.TrimEnd(), info.Model.TrimEnd(),
            flags.TokenInitialized, flags.UserPinInitialized, flags.LoginRequired, flags.ProtectedAuthenticationPath,
            Length(info.MinPinLen), Length(info.MaxPinLen),
            Tries(flags.UserPinLocked, flags.UserPinFinalTry, flags.UserPinCountLow),
            Tries(flags.SoPinLocked, flags.SoPinFinalTry, flags.SoPinCountLow));
    }

    private static int Length(ulong value) => value > 255 ? 255 : (int)value;

    private static PinTries Tries(bool locked, bool last, bool low) =>
        locked ? PinTries.Locked : last ? PinTries.Last : low ? PinTries.Fewer : PinTries.All;
}

/// <summary>A reader, or what the module shows as one.</summary>
/// <param name="Token">Null where no token is in it.</param>
public sealed record TokenSlot(ulong Id, string Description, TokenDescription? Token);

/// <summary>Which token: what is not null must match.</summary>
public sealed record TokenSelector(string? Label, string? Serial = null)
{
    public bool Matches(TokenDescription token)
    {
        ArgumentNullException.ThrowIfNull(token);
        return token.IsInitialized && (Label is null || Label == token.Label) && (Serial is null || Serial == token.Serial);
    }

    public override string ToString() => (Label, Serial) switch
    {
        (null, null) => "any token",
        (_, null) => $"token '{Label}'",
        (null, _) => $"the token of serial number {Serial}",
        _ => $"token '{Label}' of serial number {Serial}",
    };
}
