using System.Globalization;
using System.Net.Security;
using System.Text;

namespace GatewaySecure.TestKit;

/// <summary>One connection of an <see cref="SmtpSink"/>: answers every command, in the order that pipelining asks for.</summary>
internal sealed class SmtpSinkSession(Stream transport, SmtpSink sink) : IAsyncDisposable
{
    private Stream _stream = transport;
    private bool _isTls;
    private readonly StringBuilder _replies = new();
    private readonly List<string> _recipients = [];
    private readonly MemoryStream? _kept = sink.Options.Keep ? new MemoryStream() : null;
    private readonly byte[] _buffer = new byte[256 * 1024];
    private int _start;
    private int _end;
    private string? _mail;

    private static ReadOnlySpan<byte> LineEnd => "\r\n"u8;

    private static ReadOnlySpan<byte> DataEnd => "\r\n.\r\n"u8;

    public ValueTask DisposeAsync() => _stream.DisposeAsync();

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        Reply("220 sink.test.invalid ESMTP");
        while (await ReadLineAsync(cancellationToken) is { } line)
        {
            if (!await HandleAsync(line, cancellationToken))
                break;
        }
        await FlushAsync(cancellationToken);
    }

    /// <returns>False: the connection ends.</returns>
    private async Task<bool> HandleAsync(string line, CancellationToken cancellationToken)
    {
        var verb = line.Split(' ')[0].ToUpperInvariant();
        if (verb != "BDAT" && sink.Options.Answer?.Invoke(line) is { } answer)
        {
            Reply(answer);
            return answer.Length > 0 && !answer.StartsWith("421", StringComparison.Ordinal);
        }
        switch (verb)
        {
            case "EHLO":
                Reset();
                ReplyToEhlo();
                return true;
            case "HELO":
                Reset();
                Reply("250 sink.test.invalid");
                return true;
            case "MAIL" when _mail is null:
                _mail = line;
                Reply("250 2.1.0 Sender OK");
                return true;
            case "RCPT" when _mail is not null:
                _recipients.Add(AddressIn(line));
                Reply("250 2.1.5 Recipient OK");
                return true;
            case "DATA" when _recipients.Count > 0:
                Reply("354 Go on");
                return await ReadDataAsync(cancellationToken) && Finish();
            case "BDAT" when _recipients.Count > 0 && sink.Options.Keywords.Contains("CHUNKING"):
                return await ReadChunkAsync(line, cancellationToken);
            case "MAIL" or "RCPT" or "DATA" or "BDAT":
                Reply("503 5.5.1 Not now");
                return true;
            case "RSET":
                Reset();
                Reply("250 2.0.0 Forgotten");
                return true;
            case "NOOP":
                Reply("250 2.0.0 Here");
                return true;
            case "STARTTLS" when sink.Options.Tls is not null && !_isTls:
                await StartTlsAsync(cancellationToken);
                return true;
            case "QUIT":
                Reply("221 2.0.0 Bye");
                return false;
            default:
                Reply("500 5.5.2 Unknown");
                return true;
        }
    }

    private async Task StartTlsAsync(CancellationToken cancellationToken)
    {
        Reply("220 2.0.0 Go on");
        await FlushAsync(cancellationToken);
        var tls = new SslStream(_stream);
        _stream = tls;
        await tls.AuthenticateAsServerAsync(sink.Options.Tls!, cancellationToken);
        _isTls = true;
        Reset();
    }

    private void ReplyToEhlo()
    {
        string[] lines = ["sink.test.invalid", .. sink.Options.Keywords];
        if (sink.Options.Tls is not null && !_isTls)
            lines = [.. lines, "STARTTLS"];
        for (var i = 0; i < lines.Length; i++)
            Reply((i < lines.Length - 1 ? "250-" : "250 ") + lines[i]);
    }

    /// <returns>False: the peer is gone before the end.</returns>
    private async Task<bool> ReadDataAsync(CancellationToken cancellationToken)
    {
        // The line end of the DATA command belongs to the end mark of an empty message; and with it in front every line begins alike.
        _start -= LineEnd.Length;
        while (true)
        {
            var held = _buffer.AsSpan(_start, _end - _start);
            var end = held.IndexOf(DataEnd);
            if (end >= 0)
            {
                _kept?.Write(held[..(end + LineEnd.Length)]);
                _start += end + DataEnd.Length;
                return true;
            }
            // The mark may have begun in the last octets.
            var sure = Math.Max(0, held.Length - (DataEnd.Length - 1));
            _kept?.Write(held[..sure]);
            _start += sure;
            if (!await FillAsync(cancellationToken))
                return false;
        }
    }

    private async Task<bool> ReadChunkAsync(string line, CancellationToken cancellationToken)
    {
        var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words.Length < 2 || !long.TryParse(words[1], NumberStyles.None, CultureInfo.InvariantCulture, out var left))
        {
            Reply("501 5.5.4 How many octets?");
            return false;
        }
        // What DATA has in front (see there), so that both are kept alike.
        if (_kept is { Length: 0 })
            _kept.Write(LineEnd);
        while (left > 0)
        {
            if (_start == _end && !await FillAsync(cancellationToken))
                return false;
            var part = (int)Math.Min(left, _end - _start);
            _kept?.Write(_buffer.AsSpan(_start, part));
            _start += part;
            left -= part;
        }
        if (words.Length > 2 && words[2].Equals("LAST", StringComparison.OrdinalIgnoreCase))
            return Finish(isStuffed: false);
        Reply("250 2.0.0 Chunk taken");
        return true;
    }

    /// <summary>The message is whole: it is taken, unless the test refuses it.</summary>
    private bool Finish(bool isStuffed = true)
    {
        var answer = sink.Options.Answer?.Invoke(".") ?? "250 2.0.0 Taken";
        if (answer.StartsWith('2'))
            sink.Take(_kept is null ? null : new SinkMessage(AddressIn(_mail!), [.. _recipients], _mail!, KeptContent(isStuffed), _isTls));
        Reset();
        Reply(answer);
        return answer.Length > 0;
    }

    /// <summary>Without the line end that was put in front, and without the dots of transparency (RFC 5321 §4.5.2).</summary>
    private byte[] KeptContent(bool isStuffed)
    {
        var raw = _kept!.GetBuffer().AsSpan(0, (int)_kept.Length);
        if (!isStuffed)
            return raw[LineEnd.Length..].ToArray();
        using var content = new MemoryStream(raw.Length);
        while (raw.IndexOf("\r\n."u8) is var at and >= 0)
        {
            content.Write(raw[..(at + LineEnd.Length)]);
            raw = raw[(at + LineEnd.Length + 1)..];
        }
        content.Write(raw);
        return content.GetBuffer().AsSpan(LineEnd.Length, (int)content.Length - LineEnd.Length).ToArray();
    }

    private void Reset()
    {
        _mail = null;
        _recipients.Clear();
        _kept?.SetLength(0);
    }

    private async Task<string?> ReadLineAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var held = _buffer.AsSpan(_start, _end - _start);
            var length = held.IndexOf(LineEnd);
            if (length >= 0)
            {
                _start += length + LineEnd.Length;
                return Encoding.UTF8.GetString(held[..length]);
            }
            if (held.Length == _buffer.Length || !await FillAsync(cancellationToken))
                return null;
        }
    }

    /// <summary>Receives more behind what is held. Replies wait until then: that answers a pipelined group in one packet.</summary>
    /// <returns>False: the peer has closed.</returns>
    private async Task<bool> FillAsync(CancellationToken cancellationToken)
    {
        await FlushAsync(cancellationToken);
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            _end -= _start;
            _start = 0;
        }
        var received = await _stream.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
        _end += received;
        return received > 0;
    }

    private void Reply(string line)
    {
        if (line.Length > 0)
            _replies.Append(line).Append("\r\n");
    }

    private async Task FlushAsync(CancellationToken cancellationToken)
    {
        if (_replies.Length == 0)
            return;
        var octets = Encoding.Latin1.GetBytes(_replies.ToString());
        _replies.Clear();
        await _stream.WriteAsync(octets, cancellationToken);
        await _stream.FlushAsync(cancellationToken);
    }

    private static string AddressIn(string line)
    {
        var open = line.IndexOf('<', StringComparison.Ordinal);
        var close = open < 0 ? -1 : line.IndexOf('>', open);
        return close < 0 ? "" : line[(open + 1)..close];
    }
}
