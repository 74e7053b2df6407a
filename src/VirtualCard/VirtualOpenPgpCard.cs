using System.Security.Cryptography;
using System.Text;

namespace GatewaySecure.VirtualCard;

/// <summary>
/// An OpenPGP card (functional specification 3.4) in software, FOR TRIALS. Default PINs 123456 and 12345678.
/// </summary>
public sealed class VirtualOpenPgpCard : IVirtualCard
{
    public const string DefaultUserPin = "123456";
    public const string DefaultAdminPin = "12345678";

    private static readonly byte[] ApplicationPrefix = [0xD2, 0x76, 0x00, 0x01, 0x24, 0x01];

    private readonly CardFile<CardState> _file;
    private readonly PinBook _pins;
    private readonly DataObjects _objects;
    private readonly SecurityOperations _operations;
    private readonly ApduFrame _frame;
    private bool _selected;

    internal VirtualOpenPgpCard(CardFile<CardState> file)
    {
        _file = file;
        _pins = new PinBook(file);
        _objects = new DataObjects(file, _pins);
        _operations = new SecurityOperations(file, _pins);
        _frame = new ApduFrame(Execute);
    }

    /// <summary>T=1, with the historical octets of 5F52.</summary>
    public ReadOnlyMemory<byte> Atr { get; } = DataObjects.Atr;

    /// <summary>Manufacturer and serial number as clients print it, e.g. <c>FFFE 1A2B3C4D</c>.</summary>
    public string Serial => "FFFE " + Convert.ToHexString(_file.State.Serial);

    /// <exception cref="IOException">The file exists already or can't be written.</exception>
    public static VirtualOpenPgpCard Create(string path) => new(CardFile<CardState>.Create(path, Fresh(RandomNumberGenerator.GetBytes(4))));

    /// <exception cref="IOException">No card there, damaged, or in use by another program.</exception>
    public static VirtualOpenPgpCard Open(string path) => new(CardFile<CardState>.Open(path));

    /// <summary>A card that is forgotten with its process.</summary>
    public static VirtualOpenPgpCard CreateInMemory() => new(CardFile<CardState>.InMemory(Fresh(RandomNumberGenerator.GetBytes(4))));

    public void Reset()
    {
        _selected = false;
        EndSession();
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
        if (command.Ins == 0x44)
            return Activate();
        if (_file.State.Terminated)
            throw new StatusException(StatusWords.Terminated);
        return command.Ins switch
        {
            0x20 => PinCommands.Verify(_pins, command),
            0x24 => PinCommands.Change(_file, _pins, command),
            0x2C => PinCommands.ResetCounter(_file, _pins, command),
            0x2A => _operations.Perform(command),
            0x88 => _operations.Authenticate(command),
            0x47 => _operations.KeyPair(command),
            0x84 => Challenge(command),
            0xA5 => _objects.SelectData(command),
            0xCA => _objects.Get(command.Tag),
            0xCC => _objects.GetNext(command.Tag),
            0xDA => _objects.Put(command.Tag, command.Data),
            0xDB => _objects.PutOdd(command),
            0xE6 => Terminate(command),
            _ => throw new StatusException(StatusWords.InstructionNotSupported),
        };
    }

    private byte[] Select(CommandApdu command)
    {
        var aid = _objects.ApplicationId();
        if (command.P1 != 0x04 || command.Data.Length < ApplicationPrefix.Length || !aid.AsSpan().StartsWith(command.Data))
            throw new StatusException(StatusWords.FileNotFound);
        EndSession();
        _selected = true;
        if (_file.State.Terminated)
            throw new StatusException(StatusWords.Terminated);
        return (command.P2 & 0x0C) == 0x0C ? [] : Tlv.Encode(0x6F, Tlv.Encode(0x84, aid));
    }

    private static byte[] Challenge(CommandApdu command) =>
        command.P1 != 0 || command.P2 != 0 || command.Le is 0 or > DataObjects.MaxChallenge
            ? throw new StatusException(StatusWords.WrongLength)
            : RandomNumberGenerator.GetBytes(command.Le);

    /// <summary>TERMINATE DF: with PW3, or when both PINs are blocked (§7.2.17).</summary>
    private byte[] Terminate(CommandApdu command)
    {
        var state = _file.State;
        if (command.Tag != 0)
            throw new StatusException(StatusWords.WrongParameters);
        if (!_pins.AdminVerified && (state.UserPin.TriesLeft > 0 || state.AdminPin.TriesLeft > 0))
            throw new StatusException(StatusWords.SecurityNotSatisfied);
        state.Terminated = true;
        _file.Save();
        EndSession();
        return [];
    }

    /// <summary>ACTIVATE FILE: a terminated card comes back as from the factory, with the same serial number.</summary>
    private byte[] Activate()
    {
        if (!_file.State.Terminated)
            return [];
        _file.Replace(Fresh(_file.State.Serial));
        EndSession();
        return [];
    }

    private void EndSession()
    {
        _pins.ForgetAll();
        _objects.Occurrence = 0;
        _frame.Reset();
    }

    private static CardState Fresh(byte[] serial)
    {
        var state = new CardState { Serial = serial };
        PinRecord.Set(state.UserPin, Encoding.ASCII.GetBytes(DefaultUserPin));
        PinRecord.Set(state.AdminPin, Encoding.ASCII.GetBytes(DefaultAdminPin));
        return state;
    }
}
