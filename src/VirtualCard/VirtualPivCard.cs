using System.Security.Cryptography;
using System.Text;

namespace GatewaySecure.VirtualCard;

/// <summary>
/// A PIV card (SP 800-73-4) in software, FOR TRIALS, with the vendor's commands that YubiKeys have beside the standard: import,
/// metadata, move, management key, serial number. PIN 123456, PUK 12345678, management key 0102…08 three times (3DES).
/// </summary>
public sealed class VirtualPivCard : IVirtualCard
{
    public const string DefaultUserPin = "123456";
    public const string DefaultUnblockingPin = "12345678";
    public const string DefaultManagementKey = "010203040506070801020304050607080102030405060708";

    private static readonly byte[] Aid = [0xA0, 0x00, 0x00, 0x03, 0x08, 0x00, 0x00, 0x10, 0x00, 0x01, 0x00];

    private readonly CardFile<PivState> _file;
    private readonly PivPins _pins;
    private readonly PivObjects _objects;
    private readonly PivAuthentication _authentication;
    private readonly PivKeys _keys;
    private readonly ApduFrame _frame;
    private bool _selected;

    internal VirtualPivCard(CardFile<PivState> file)
    {
        _file = file;
        _pins = new PivPins(file);
        _objects = new PivObjects(file, _pins);
        _authentication = new PivAuthentication(file);
        _keys = new PivKeys(file, _pins);
        _frame = new ApduFrame(Execute);
    }

    /// <summary>The historical octets carry the application identifier (ISO 7816-4 §8.1.1.2.2), by which OpenSC knows a PIV card.</summary>
    public ReadOnlyMemory<byte> Atr { get; } = BuildAtr();

    /// <summary>Decimal, as such cards print it.</summary>
    public string Serial => PivObjects.Number(_file.State.Serial).ToString(System.Globalization.CultureInfo.InvariantCulture);

    /// <exception cref="IOException">The file exists already or can't be written.</exception>
    public static VirtualPivCard Create(string path) => new(CardFile<PivState>.Create(path, Fresh()));

    /// <exception cref="IOException">No card there, damaged, or in use by another program.</exception>
    public static VirtualPivCard Open(string path) => new(CardFile<PivState>.Open(path));

    /// <summary>A card that is forgotten with its process.</summary>
    public static VirtualPivCard CreateInMemory() => new(CardFile<PivState>.InMemory(Fresh()));

    public void Reset()
    {
        _selected = false;
        _pins.Forget();
        _authentication.Forget();
        _frame.Reset();
    }

    public byte[] Process(ReadOnlySpan<byte> commandApdu) => _frame.Process(commandApdu);

    public void Dispose()
    {
        _frame.Dispose();
        _file.Dispose();
    }

    private byte[] Execute(CommandApdu command)
    {
        if (command.Ins == 0xA4)
            return Select(command);
        if (!_selected)
            throw new StatusException(StatusWords.ConditionsNotSatisfied);
        return command.Ins switch
        {
            0xCB => _objects.Get(command),
            0x20 => _pins.Verify(command),
            0x24 => _pins.Change(command),
            0x2C => _pins.ResetCounter(command),
            0x87 when command.P2 == 0x9B => _authentication.Answer(command),
            0x87 => _keys.Use(command),
            0xFD => [5, 7, 0],
            0xF8 => _file.State.Serial,
            0xF7 => Metadata(command.P2),
            0xFB => Factory(),
            _ => Administer(command),
        };
    }

    private byte[] Administer(CommandApdu command)
    {
        if (command.Ins is not (0xDB or 0x47 or 0xFE or 0xF6 or 0xFF))
            throw new StatusException(StatusWords.InstructionNotSupported);
        if (!_authentication.Verified)
            throw new StatusException(StatusWords.SecurityNotSatisfied);
        return command.Ins switch
        {
            0xDB => _objects.Put(command),
            0x47 => _keys.Generate(command),
            0xFE => _keys.Import(command),
            0xF6 => _keys.Move(command),
            _ => _authentication.Replace(command),
        };
    }

    private byte[] Select(CommandApdu command)
    {
        if (command.P1 != 0x04 || command.Data.Length < 5 || !Aid.AsSpan().StartsWith(command.Data))
            throw new StatusException(StatusWords.FileNotFound);
        // Selecting the application that is selected keeps its security status (part 2 §3.1.1).
        _selected = true;
        return Tlv.Encode(0x61, Tlv.Join(
            Tlv.Encode(0x4F, Aid.AsSpan(5)),
            Tlv.Encode(0x79, Tlv.Encode(0x4F, Aid.AsSpan(0, 5)))));
    }

    /// <summary>What vendors answer to F7: algorithm, policies, origin, public key; for codes the tries (total, left).</summary>
    private byte[] Metadata(byte reference) => reference switch
    {
        0x80 => PinData(_file.State.UserPin),
        0x81 => PinData(_file.State.UnblockingPin),
        0x9B => Tlv.Join(Tlv.Encode(0x01, _file.State.ManagementAlgorithm), Tlv.Encode(0x02, 0x00, 0x01)),
        _ => _keys.Metadata(reference),
    };

    private static byte[] PinData(PinRecord record) => Tlv.Encode(0x06, PinRecord.MaxTries, (byte)record.TriesLeft);

    /// <summary>Back to the factory's state, once both codes are blocked.</summary>
    private byte[] Factory()
    {
        if (_file.State.UserPin.TriesLeft > 0 || _file.State.UnblockingPin.TriesLeft > 0)
            throw new StatusException(StatusWords.ConditionsNotSatisfied);
        var fresh = Fresh();
        fresh.Serial = _file.State.Serial;
        _file.Replace(fresh);
        _pins.Forget();
        _authentication.Forget();
        return [];
    }

    private static PivState Fresh()
    {
        var state = new PivState
        {
            Serial = RandomNumberGenerator.GetBytes(4),
            ManagementKey = Convert.FromHexString(DefaultManagementKey),
        };
        PinRecord.Set(state.UserPin, PivPins.Padded(Encoding.ASCII.GetBytes(DefaultUserPin)));
        PinRecord.Set(state.UnblockingPin, PivPins.Padded(Encoding.ASCII.GetBytes(DefaultUnblockingPin)));
        PivObjects.Personalise(state);
        return state;
    }

    private static byte[] BuildAtr()
    {
        // T=1; category 80, then the identifier as a compact object (tag F, length B) and the check octet.
        byte[] historical = [0x80, 0xFB, .. Aid];
        byte[] atr = [0x3B, (byte)(0xD0 | historical.Length), 0x18, 0xFF, 0x81, 0xB1, 0xFE, 0x75, 0x1F, 0x03, .. historical, 0];
        atr[^1] = atr.Skip(1).Aggregate((byte)0, (sum, b) => (byte)(sum ^ b));
        return atr;
    }
}
