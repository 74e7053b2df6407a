using System.Text;
using GatewaySecure.Addresses;

namespace GatewaySecure.MailProtection.Tests;

/// <summary>A message in memory.</summary>
internal sealed class MemoryMail(byte[] octets) : IMailContent
{
    public long Length => octets.Length;

    public Stream OpenRead() => new MemoryStream(octets, writable: false);

    public static MemoryMail Of(string text) => new(Encoding.UTF8.GetBytes(text.ReplaceLineEndings("\r\n")));
}

/// <summary>A message of any size that occupies no memory: a header, and a body of lines.</summary>
internal sealed class LargeMail(string header, long bodyLength) : IMailContent
{
    private readonly byte[] _header = Encoding.ASCII.GetBytes(header.ReplaceLineEndings("\r\n") + "\r\n");

    public long Length => _header.Length + bodyLength;

    public Stream OpenRead() => new Lines(_header, Length);

    private sealed class Lines(byte[] header, long length) : Stream
    {
        private static readonly byte[] Line = "The quick brown fox jumps over the lazy dog; and so on, line by line.\r\n"u8.ToArray();
        private long _at;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => length;

        public override long Position { get => _at; set => throw new NotSupportedException(); }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            ValueTask.FromResult(Read(buffer.Span));

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer)
        {
            var read = (int)Math.Min(buffer.Length, length - _at);
            for (var i = 0; i < read; i++, _at++)
                buffer[i] = _at < header.Length ? header[_at] : Line[(_at - header.Length) % Line.Length];
            return read;
        }

        public override void Flush() { }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}

/// <summary>Takes octets, counts them and hands them to nobody, or to a file.</summary>
internal static class Sealed
{
    public static async Task<byte[]> WriteAsync(ProtectionOutcome outcome)
    {
        var ready = Assert.IsType<ProtectionOutcome.Ready>(outcome);
        using var output = new MemoryStream();
        await ready.Message.WriteToAsync(output, TestContext.Current.CancellationToken);
        Assert.Equal(ready.Message.Length, output.Length);
        // What stands on top may speak of the octets below: they are the same whenever they are written.
        using var again = new MemoryStream();
        await ready.Message.WriteToAsync(again, TestContext.Current.CancellationToken);
        Assert.True(output.ToArray().AsSpan().SequenceEqual(again.ToArray()), "Written again it is another message.");
        return output.ToArray();
    }

    public static async Task<(OpenOutcome Outcome, byte[] Output)> OpenAsync(byte[] mail, OpeningKeys keys, DateTimeOffset? now = null)
    {
        using var output = new MemoryStream();
        var outcome = await new MailOpener(new FixedTime(now ?? Pki.Now))
            .OpenAsync(new MemoryMail(mail), keys, output, TestContext.Current.CancellationToken);
        return (outcome, output.ToArray());
    }

    public static MailAddress Address(string text) => MailAddress.Parse(text);
}

internal sealed class FixedTime(DateTimeOffset now) : TimeProvider
{
    public override DateTimeOffset GetUtcNow() => now;
}
