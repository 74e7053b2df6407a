using GatewaySecure.VirtualCard;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>
/// A card that counts points, before and after each command that changes it, and does at one of them what it was told. At a point before, the
/// command is not done.
/// </summary>
/// <param name="card">Stays the test's.</param>
internal sealed class PointCard(IVirtualCard card, int at, Action act) : IVirtualCard
{
    public int Points { get; private set; }

    public ReadOnlyMemory<byte> Atr => card.Atr;

    public string Serial => card.Serial;

    public byte[] Process(ReadOnlySpan<byte> commandApdu)
    {
        // CHANGE REFERENCE DATA, RESET RETRY COUNTER, PUT DATA (both), GENERATE (with P1 81 an OpenPGP card only shows the key); a PIV card's import, move and
        // management key.
        var changes = commandApdu.Length > 3 && (commandApdu[1] is 0x24 or 0x2C or 0xDA or 0xDB or 0xF6 or 0xFE or 0xFF || commandApdu[1] == 0x47 && commandApdu[2] != 0x81);
        if (changes && ++Points == at)
        {
            act();
            return [0x6F, 0x00];
        }
        var answer = card.Process(commandApdu);
        if (changes && ++Points == at)
            act();
        return answer;
    }

    public void Reset() => card.Reset();

    public void Dispose()
    {
    }
}
