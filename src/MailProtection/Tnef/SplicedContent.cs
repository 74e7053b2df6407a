using GatewaySecure.MailProtection.Opening;

namespace GatewaySecure.MailProtection.Tnef;

/// <summary>Octets of a mail that others take the place of.</summary>
/// <param name="Start">First octet that goes.</param>
/// <param name="End">Past the last one.</param>
internal sealed record Cut(long Start, long End, byte[] Put);

/// <summary>A mail of which some pieces are others; the rest is read from where it lies, so its size does not matter.</summary>
/// <param name="cuts">In the mail's order; none overlaps another.</param>
internal sealed class SplicedContent(IMailContent original, IReadOnlyList<Cut> cuts) : IMailContent
{
    public long Length { get; } = original.Length + cuts.Sum(c => c.Put.LongLength - (c.End - c.Start));

    public Stream OpenRead() => new SplicedStream(original.OpenRead(), original.Length, cuts);

    internal static async ValueTask SkipAsync(Stream stream, long count, CancellationToken cancellationToken)
    {
        var buffer = new byte[(int)Math.Min(count, 32 * 1024)];
        while (count > 0)
        {
            var read = await stream.ReadAsync(buffer.AsMemory(0, (int)Math.Min(count, buffer.Length)), cancellationToken);
            if (read == 0)
                throw new EndOfStreamException("The content ended before its length.");
            count -= read;
        }
    }

    private sealed class SplicedStream(Stream original, long length, IReadOnlyList<Cut> cuts) : ForwardStream
    {
        private int _cut;
        private int _put;
        private long _at;

        public override int Read(Span<byte> buffer)
        {
            while (IsAtCut)
            {
                if (TryPut(buffer, out var put))
                    return put;
                OctetSource.Skip(original, TakeSkip());
            }
            var read = original.Read(buffer[..LimitOf(buffer.Length)]);
            _at += read;
            return read;
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            while (IsAtCut)
            {
                if (TryPut(buffer.Span, out var put))
                    return put;
                await SkipAsync(original, TakeSkip(), cancellationToken);
            }
            var read = await original.ReadAsync(buffer[..LimitOf(buffer.Length)], cancellationToken);
            _at += read;
            return read;
        }

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                original.Dispose();
            base.Dispose(disposing);
        }

        private bool IsAtCut => _cut < cuts.Count && _at == cuts[_cut].Start;

        private bool TryPut(Span<byte> buffer, out int count)
        {
            count = 0;
            if (_put >= cuts[_cut].Put.Length)
                return false;
            var rest = cuts[_cut].Put.AsSpan(_put);
            count = Math.Min(rest.Length, buffer.Length);
            rest[..count].CopyTo(buffer);
            _put += count;
            return true;
        }

        /// <summary>At a cut that was put: so many octets of the original go.</summary>
        private long TakeSkip()
        {
            var skip = cuts[_cut].End - _at;
            _at = cuts[_cut].End;
            (_cut, _put) = (_cut + 1, 0);
            return skip;
        }

        private int LimitOf(int count) => (int)Math.Min(count, (_cut < cuts.Count ? cuts[_cut].Start : length) - _at);
    }
}
