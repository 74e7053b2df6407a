using System.Security.Cryptography;

namespace GatewaySecure.SmartCard;

/// <summary>A card in a PC/SC reader. After a reset by another program it reconnects and says so; after removal it is dead.</summary>
internal sealed class PcscChannel(PcscCardHandle card, nuint protocol, ReadOnlyMemory<byte> atr) : ICardChannel
{
    private const uint LeaveCard = 0;
    private const uint ShareShared = 2;
    private const uint AnyProtocol = 3;
    private const int MaxResponse = 65536 + 2;
    private readonly byte[] _response = new byte[MaxResponse];
    private nuint _protocol = protocol;

    public ReadOnlyMemory<byte> Atr { get; } = atr;

    public byte[] Transmit(ReadOnlySpan<byte> commandApdu)
    {
        ObjectDisposedException.ThrowIf(card.IsClosed, this);
        nuint length = MaxResponse;
        var result = PcscNative.Transmit(card.Value, _protocol, commandApdu, _response, ref length);
        if (result != 0)
            throw Failed(result);
        // Anything may be verified after a command: the end resets the card, unless a transaction proves it clean.
        card.Disposition = 1;
        var answer = _response.AsSpan(0, (int)length);
        var copy = answer.ToArray();
        CryptographicOperations.ZeroMemory(answer);
        return copy;
    }

    public ICardTransaction BeginTransaction()
    {
        ObjectDisposedException.ThrowIf(card.IsClosed, this);
        var result = PcscNative.BeginTransaction(card.Value);
        if (result == PcscErrors.ResetCard)
        {
            // Nothing was done in a transaction yet, so a reset by somebody else before it is no fault.
            _ = Failed(result);
            result = PcscNative.BeginTransaction(card.Value);
        }
        return result == 0 ? new Transaction(this) : throw Failed(result);
    }

    public void Dispose() => card.Dispose();

    private CardException Failed(uint result)
    {
        if (result == PcscErrors.ResetCard)
            PcscNative.Reconnect(card.Value, ShareShared, AnyProtocol, LeaveCard, ref _protocol);
        return PcscErrors.Exception(result);
    }

    private void End(bool clean)
    {
        if (card.IsClosed)
            return;
        // Fails only where card or service are gone, and what was verified with them.
        PcscNative.EndTransaction(card.Value, clean ? LeaveCard : 1u);
        card.Disposition = LeaveCard;
    }

    private sealed class Transaction(PcscChannel channel) : ICardTransaction
    {
        private bool _clean;
        private bool _ended;

        public void NothingVerified() => _clean = true;

        public void Dispose()
        {
            if (!_ended)
                channel.End(_clean);
            _ended = true;
        }
    }
}
