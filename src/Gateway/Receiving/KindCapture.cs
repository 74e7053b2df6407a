using System.Buffers;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Policies;

namespace GatewaySecure.Gateway.Receiving;

/// <summary>
/// Keeps a small mail while it passes, where it may be of a special kind, to look at its structure when it is whole. What is larger, or
/// finds no room in memory, is ordinary: then nothing is exempted.
/// </summary>
internal sealed class KindCapture(MailSpool spool) : IDisposable
{
    private ArrayBufferWriter<byte>? _mail;
    private int _reserved;
    private bool _isOver;

    /// <param name="header">Whole.</param>
    /// <param name="body">The next piece of what stands behind it.</param>
    public void Add(ReadOnlySpan<byte> header, ReadOnlySpan<byte> body)
    {
        if (_isOver)
            return;
        if (_mail is null)
        {
            if (!MailKinds.MayBeSpecial(header))
                _isOver = true;
            if (_isOver || !TryReserve(header.Length))
                return;
            _mail = new ArrayBufferWriter<byte>(header.Length + 1024);
            _mail.Write(header);
        }
        if (TryReserve(body.Length))
            _mail.Write(body);
    }

    /// <param name="nullSender">It comes from the null reverse-path.</param>
    public MailKind Of(bool nullSender) => _isOver || _mail is null ? MailKind.Ordinary : MailKinds.Of(_mail.WrittenMemory, nullSender);

    public void Dispose() => GiveUp();

    private bool TryReserve(int length)
    {
        if (_reserved + length <= MailKinds.Largest && spool.TryReserveMemory(length))
        {
            _reserved += length;
            return true;
        }
        GiveUp();
        return false;
    }

    private void GiveUp()
    {
        _isOver = true;
        _mail = null;
        spool.FreeMemory(_reserved);
        _reserved = 0;
    }
}
