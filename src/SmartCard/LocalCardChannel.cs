using System.Security.Cryptography;

namespace GatewaySecure.SmartCard;

/// <summary>A card in the same process, without PC/SC. The transaction's promise is kept by a reset.</summary>
public sealed class LocalCardChannel(ReadOnlyMemory<byte> atr, Func<byte[], byte[]> process, Action reset) : ICardChannel
{
    public ReadOnlyMemory<byte> Atr { get; } = atr;

    public byte[] Transmit(ReadOnlySpan<byte> commandApdu)
    {
        var copy = commandApdu.ToArray();
        try
        {
            return process(copy);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(copy);
        }
    }

    public ICardTransaction BeginTransaction() => new Transaction(reset);

    public void Dispose() => reset();

    private sealed class Transaction(Action reset) : ICardTransaction
    {
        private bool _clean;
        private bool _ended;

        public void NothingVerified() => _clean = true;

        public void Dispose()
        {
            if (!_ended && !_clean)
                reset();
            _ended = true;
        }
    }
}
