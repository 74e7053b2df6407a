using System.Security.Cryptography;

namespace GatewaySecure.VirtualCard;

/// <summary>
/// What every card does around its commands: lengths, chaining, answers in pieces (ISO 7816-4 §5.1, §5.3). A command ends with
/// its data or with a <see cref="StatusException"/>. Whatever octets come, it answers.
/// </summary>
internal sealed class ApduFrame(Func<CommandApdu, byte[]> execute) : IDisposable
{
    public const int MaxCommandData = 8192;

    private readonly MemoryStream _chain = new();
    private CommandApdu? _chainHead;
    private byte[] _rest = [];

    public byte[] Process(ReadOnlySpan<byte> commandApdu)
    {
        try
        {
            var command = CommandApdu.Parse(commandApdu) ?? throw new StatusException(StatusWords.WrongLength);
            return Answer(command);
        }
        catch (StatusException e)
        {
            Reset();
            return [(byte)(e.Status >> 8), (byte)e.Status];
        }
        catch (CryptographicException)
        {
            return [StatusWords.TechnicalProblem >> 8, StatusWords.TechnicalProblem & 0xFF];
        }
    }

    /// <summary>Forgets an unfinished chain and an answer that was not fetched.</summary>
    public void Reset()
    {
        _rest = [];
        DropChain();
    }

    public void Dispose() => _chain.Dispose();

    private byte[] Answer(CommandApdu command)
    {
        if ((command.Cla & ~0x10) != 0)
            throw new StatusException(StatusWords.ClassNotSupported);
        if (command.Ins == 0xC0)
            return Continue(command);
        _rest = [];
        // A client that starts anew after another one's unfinished chain must not be refused.
        if (command.Ins == 0xA4 && !command.Chained)
            DropChain();
        if (_chainHead is { } head && (head.Ins != command.Ins || head.Tag != command.Tag))
            throw new StatusException(StatusWords.ChainExpected);
        if (_chain.Length + command.Data.Length > MaxCommandData)
            throw new StatusException(StatusWords.WrongLength);
        if (command.Chained)
        {
            _chainHead = command;
            _chain.Write(command.Data);
            return [0x90, 0x00];
        }
        if (_chainHead is not null)
        {
            _chain.Write(command.Data);
            command = command with { Data = _chain.ToArray() };
            DropChain();
        }
        byte[] response;
        try
        {
            response = execute(command);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(command.Data);
        }
        return Deliver(response, command);
    }

    private byte[] Deliver(byte[] response, CommandApdu command)
    {
        var limit = command.Le > 0 ? command.Le : command.Extended ? CommandApdu.MaxExtendedResponse : CommandApdu.MaxShortResponse;
        if (response.Length <= limit)
        {
            _rest = [];
            return [.. response, 0x90, 0x00];
        }
        _rest = response[limit..];
        return [.. response[..limit], 0x61, (byte)Math.Min(_rest.Length, 0xFF)];
    }

    private byte[] Continue(CommandApdu command)
    {
        if (_rest.Length == 0)
            throw new StatusException(StatusWords.ConditionsNotSatisfied);
        return Deliver(_rest, command);
    }

    private void DropChain()
    {
        CryptographicOperations.ZeroMemory(_chain.GetBuffer());
        _chain.SetLength(0);
        _chainHead = null;
    }
}
