using System.Buffers;
using System.Collections.Immutable;
using System.Text;

namespace GatewaySecure.Gateway.Receiving;

/// <summary>
/// Takes out of a header what its peer may not bring, with all of its continuation lines, while the message passes in pieces of any size.
/// Everything else stays octet by octet. Memory is bounded whatever comes; nothing is thrown for what a message holds.
/// </summary>
/// <param name="forbidden">The fields that this peer may not bring.</param>
internal sealed class HeaderFirewall(ImmutableArray<GuardedField> forbidden)
{
    /// <summary>No field's name is longer; in octets.</summary>
    private const int LongestName = 256;

    /// <summary>A field that has to be looked at as a whole and is longer can't be judged, and is removed; in octets.</summary>
    private const int LongestValue = 16 * 1024;

    /// <summary>So many names are remembered; what comes after is removed all the same.</summary>
    private const int MostNames = 20;

    private readonly byte[] _head = new byte[LongestName];
    private readonly List<string> _removed = [];
    private readonly ArrayBufferWriter<byte> _output = new(4096);
    private ArrayBufferWriter<byte>? _weighed;
    private GuardedField? _guard;
    private GuardedField? _next;
    private string _name = "";
    private string _nextName = "";
    private int _headLength;
    private State _field = State.Passing;
    private bool _atLineStart = true;
    private bool _inBody;

    private enum State
    {
        Passing,
        Dropping,
        Weighing,
    }

    /// <summary>Names of removed fields as they were written, each once, in their order.</summary>
    public ImmutableArray<string> Removed => [.. _removed];

    /// <summary>What may go on of the next piece, and of what was held back before it. Valid until the next call.</summary>
    public ReadOnlyMemory<byte> Pass(ReadOnlyMemory<byte> piece)
    {
        if (_inBody)
            return piece;
        _output.ResetWrittenCount();
        var rest = piece.Span;
        while (!rest.IsEmpty && !_inBody)
            rest = _atLineStart ? TakeHead(rest) : TakeLine(rest);
        _output.Write(rest);
        return _output.WrittenMemory;
    }

    /// <summary>The message has ended: what is still held back and may go on.</summary>
    public ReadOnlyMemory<byte> End()
    {
        if (_inBody)
            return ReadOnlyMemory<byte>.Empty;
        _output.ResetWrittenCount();
        if (_atLineStart)
            PassHead(startsField: _headLength > 0 && !IsContinuation);
        SettleField();
        return _output.WrittenMemory;
    }

    private bool IsContinuation => _headLength > 0 && _head[0] is (byte)' ' or (byte)'\t';

    /// <summary>Octet by octet up to the colon: only then it is known what the line is.</summary>
    private ReadOnlySpan<byte> TakeHead(ReadOnlySpan<byte> rest)
    {
        for (var i = 0; i < rest.Length; i++)
        {
            _head[_headLength++] = rest[i];
            var isLineEnd = rest[i] == '\n';
            if (IsContinuation)
            {
                PassHead(startsField: false);
                return rest[(i + 1)..];
            }
            if (rest[i] != ':' && !isLineEnd && _headLength < LongestName)
                continue;
            if (_headLength == 2 && isLineEnd && _head[0] == '\r')
            {
                SettleField();
                _output.Write("\r\n"u8);
                _inBody = true;
                return rest[(i + 1)..];
            }
            if (rest[i] == ':')
                FindGuard();
            PassHead(startsField: true);
            // A line that is no field: readers differ about whether the header ends here, so what follows is looked at too.
            _atLineStart = isLineEnd;
            return rest[(i + 1)..];
        }
        return [];
    }

    private void FindGuard()
    {
        // RFC 5322 §4.5: white space before the colon is obsolete and still a field.
        var name = _head.AsSpan(0, _headLength - 1).TrimEnd(" \t"u8);
        _next = null;
        foreach (var guarded in forbidden)
        {
            if (!guarded.Means(name))
                continue;
            _next = guarded;
            _nextName = Encoding.ASCII.GetString(name);
            return;
        }
    }

    /// <summary>The beginning of a line goes the way of the field that it starts or continues.</summary>
    private void PassHead(bool startsField)
    {
        if (startsField)
        {
            SettleField();
            (_guard, _name, _next) = (_next, _nextName, null);
            _field = _guard is null ? State.Passing : _guard.IsForged is null ? State.Dropping : State.Weighing;
        }
        Put(_head.AsSpan(0, _headLength));
        _headLength = 0;
        _atLineStart = false;
    }

    private ReadOnlySpan<byte> TakeLine(ReadOnlySpan<byte> rest)
    {
        var end = rest.IndexOf((byte)'\n') + 1;
        _atLineStart = end > 0;
        var line = end > 0 ? rest[..end] : rest;
        Put(line);
        return rest[line.Length..];
    }

    private void Put(ReadOnlySpan<byte> octets)
    {
        switch (_field)
        {
            case State.Passing:
                _output.Write(octets);
                break;
            case State.Weighing:
                _weighed ??= new ArrayBufferWriter<byte>(512);
                if (_weighed.WrittenCount + octets.Length <= LongestValue)
                    _weighed.Write(octets);
                else
                    _field = State.Dropping;
                break;
        }
    }

    /// <summary>The field before is whole.</summary>
    private void SettleField()
    {
        if (_field == State.Weighing)
        {
            var whole = _weighed!.WrittenSpan;
            if (_guard!.IsForged!(whole[(whole.IndexOf((byte)':') + 1)..]))
                _field = State.Dropping;
            else
                _output.Write(whole);
        }
        if (_field == State.Dropping && _removed.Count < MostNames && !_removed.Contains(_name))
            _removed.Add(_name);
        _weighed?.ResetWrittenCount();
        _field = State.Passing;
    }
}
