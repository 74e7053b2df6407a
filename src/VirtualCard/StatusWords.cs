namespace GatewaySecure.VirtualCard;

/// <summary>The status words this card answers with (ISO 7816-4 §5.6; OpenPGP card 3.4 §7.1).</summary>
internal static class StatusWords
{
    public const ushort Success = 0x9000;
    public const ushort Terminated = 0x6285;
    public const ushort WrongLength = 0x6700;
    public const ushort ChainExpected = 0x6883;
    public const ushort SecurityNotSatisfied = 0x6982;
    public const ushort Blocked = 0x6983;
    public const ushort ConditionsNotSatisfied = 0x6985;
    public const ushort WrongData = 0x6A80;
    public const ushort FileNotFound = 0x6A82;
    public const ushort NotEnoughMemory = 0x6A84;
    public const ushort WrongParameters = 0x6B00;
    public const ushort IncorrectParameters = 0x6A86;
    public const ushort ReferencedDataNotFound = 0x6A88;
    public const ushort InstructionNotSupported = 0x6D00;
    public const ushort ClassNotSupported = 0x6E00;
    public const ushort TechnicalProblem = 0x6F00;
}

/// <summary>Ends a command with a status word; caught in one place, <see cref="ApduFrame.Process"/>.</summary>
internal sealed class StatusException(ushort status) : Exception
{
    public ushort Status { get; } = status;
}
