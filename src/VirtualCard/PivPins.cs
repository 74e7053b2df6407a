namespace GatewaySecure.VirtualCard;

/// <summary>PIN and PUK: VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER (SP 800-73-4 part 2 §3.2.1–3.2.3).</summary>
internal sealed class PivPins(CardFile<PivState> file)
{
    private const int Length = 8;
    private const int MinDigits = 6;
    private const byte User = 0x80;
    private const byte Unblocking = 0x81;

    public bool Verified { get; private set; }

    /// <summary>For the signature key: the PIN was verified and no signature made since.</summary>
    public bool Fresh { get; set; }

    public void Forget() => Verified = Fresh = false;

    public byte[] Verify(CommandApdu command)
    {
        if (command.P2 != User)
            throw new StatusException(StatusWords.ReferencedDataNotFound);
        switch (command.P1)
        {
            case 0xFF when command.Data.Length == 0:
                Forget();
                return [];
            case 0x00 when command.Data.Length == 0:
                if (Verified)
                    return [];
                var left = file.State.UserPin.TriesLeft;
                throw new StatusException(left == 0 ? StatusWords.Blocked : (ushort)(0x63C0 | left));
            case 0x00 when command.Data.Length == Length:
                Forget();
                file.State.UserPin.Check(command.Data, file.Save);
                Verified = Fresh = true;
                return [];
            default:
                throw new StatusException(StatusWords.WrongData);
        }
    }

    public byte[] Change(CommandApdu command)
    {
        var record = command.P2 switch
        {
            User => file.State.UserPin,
            Unblocking => file.State.UnblockingPin,
            _ => throw new StatusException(StatusWords.ReferencedDataNotFound),
        };
        if (command.P1 != 0 || command.Data.Length != 2 * Length)
            throw new StatusException(StatusWords.WrongData);
        Replace(record, record, command.Data);
        return [];
    }

    public byte[] ResetCounter(CommandApdu command)
    {
        if (command.P1 != 0 || command.P2 != User || command.Data.Length != 2 * Length)
            throw new StatusException(StatusWords.WrongData);
        Replace(file.State.UnblockingPin, file.State.UserPin, command.Data);
        return [];
    }

    public static byte[] Padded(ReadOnlySpan<byte> pin)
    {
        var padded = new byte[Length];
        Array.Fill(padded, (byte)0xFF);
        pin.CopyTo(padded);
        return padded;
    }

    private void Replace(PinRecord proved, PinRecord target, byte[] data)
    {
        var fresh = data.AsSpan(Length);
        proved.Check(data.AsSpan(0, Length), file.Save);
        var digits = fresh.TrimEnd((byte)0xFF);
        if (digits.Length < MinDigits || digits.Contains((byte)0xFF))
            throw new StatusException(StatusWords.WrongData);
        PinRecord.Set(target, fresh);
        if (ReferenceEquals(target, file.State.UserPin))
            Forget();
        file.Save();
    }
}
