namespace GatewaySecure.VirtualCard;

/// <summary>
/// PW1, PW3 and the resetting code, and which of them are verified (OpenPGP card 3.4 §4.2).
/// </summary>
internal sealed class PinBook(CardFile<CardState> file)
{
    public const int MinUser = 6;
    public const int MinAdmin = 8;

    public bool SignVerified { get; set; }

    public bool UserVerified { get; set; }

    public bool AdminVerified { get; set; }

    public void ForgetAll() => SignVerified = UserVerified = AdminVerified = false;

    public PinRecord Record(byte reference) => reference switch
    {
        0x81 or 0x82 => file.State.UserPin,
        0x83 => file.State.AdminPin,
        _ => throw new StatusException(StatusWords.ReferencedDataNotFound),
    };

    public bool IsVerified(byte reference) => reference switch
    {
        0x81 => SignVerified,
        0x82 => UserVerified,
        0x83 => AdminVerified,
        _ => throw new StatusException(StatusWords.ReferencedDataNotFound),
    };

    public void SetVerified(byte reference, bool value)
    {
        switch (reference)
        {
            case 0x81:
                SignVerified = value;
                break;
            case 0x82:
                UserVerified = value;
                break;
            case 0x83:
                AdminVerified = value;
                break;
            default:
                throw new StatusException(StatusWords.ReferencedDataNotFound);
        }
    }

    /// <exception cref="StatusException">6983 blocked, 63Cx wrong.</exception>
    public void Check(PinRecord record, ReadOnlySpan<byte> pin) => record.Check(pin, file.Save);
}
