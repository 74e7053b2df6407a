namespace GatewaySecure.VirtualCard;

/// <summary>VERIFY, CHANGE REFERENCE DATA and RESET RETRY COUNTER (OpenPGP card 3.4 §7.2.2–7.2.4).</summary>
internal static class PinCommands
{
    public static byte[] Verify(PinBook pins, CommandApdu command)
    {
        var record = pins.Record(command.P2);
        switch (command.P1)
        {
            case 0xFF when command.Data.Length == 0:
                pins.SetVerified(command.P2, false);
                return [];
            case 0x00 when command.Data.Length == 0:
                return pins.IsVerified(command.P2) ? [] : throw new StatusException((ushort)(0x63C0 | record.TriesLeft));
            case 0x00:
                pins.SetVerified(command.P2, false);
                pins.Check(record, command.Data);
                pins.SetVerified(command.P2, true);
                return [];
            default:
                throw new StatusException(StatusWords.WrongParameters);
        }
    }

    public static byte[] Change(CardFile<CardState> file, PinBook pins, CommandApdu command)
    {
        if (command.P1 != 0 || command.P2 is not (0x81 or 0x83))
            throw new StatusException(StatusWords.WrongParameters);
        var record = pins.Record(command.P2);
        var old = Math.Min(record.Length, command.Data.Length);
        Forget(pins, command.P2);
        pins.Check(record, command.Data.AsSpan(0, old));
        // The length is looked at after the comparison only: before it, it would tell how long the PIN is.
        Replace(record, command.Data.AsSpan(old), command.P2 == 0x83 ? PinBook.MinAdmin : PinBook.MinUser);
        file.Save();
        return [];
    }

    public static byte[] ResetCounter(CardFile<CardState> file, PinBook pins, CommandApdu command)
    {
        if (command.P2 != 0x81)
            throw new StatusException(StatusWords.WrongParameters);
        var state = file.State;
        switch (command.P1)
        {
            case 0x00:
                var code = Math.Min(state.ResettingCode.Length, command.Data.Length);
                pins.Check(state.ResettingCode, command.Data.AsSpan(0, code));
                Replace(state.UserPin, command.Data.AsSpan(code), PinBook.MinUser);
                break;
            case 0x02:
                if (!pins.AdminVerified)
                    throw new StatusException(StatusWords.SecurityNotSatisfied);
                Replace(state.UserPin, command.Data, PinBook.MinUser);
                break;
            default:
                throw new StatusException(StatusWords.WrongParameters);
        }
        Forget(pins, 0x81);
        file.Save();
        return [];
    }

    private static void Forget(PinBook pins, byte reference)
    {
        if (reference == 0x83)
            pins.AdminVerified = false;
        else
            pins.SignVerified = pins.UserVerified = false;
    }

    private static void Replace(PinRecord record, ReadOnlySpan<byte> pin, int minimum)
    {
        if (pin.Length < minimum || pin.Length > PinRecord.MaxLength)
            throw new StatusException(StatusWords.WrongData);
        PinRecord.Set(record, pin);
    }
}
