namespace GatewaySecure.Smtp.Server;

/// <summary>
/// Finds the content of one message in what arrives, piece by piece and without copying: takes out the one dot that
/// transparency added (RFC 5321 §4.5.2), finds the true end <c>CRLF . CRLF</c> and nothing else, and notices every CR or LF
/// that is not part of CRLF (§2.3.8), and every NUL. All octets but line ends, NUL and 8-bit among them, pass as they are. Pure; no I/O.
/// </summary>
/// <param name="dots">True for DATA; false for BDAT, where dots mean nothing and the end is known by count.</param>
/// <param name="normalise">A bare CR or LF becomes CRLF. It starts a line (a dot after it is taken out) and never ends the message.</param>
internal sealed class DataReader(bool dots, bool normalise)
{
    private const byte Cr = (byte)'\r';
    private const byte Lf = (byte)'\n';
    private const byte Dot = (byte)'.';

    private static readonly ReadOnlyMemory<byte> CrLf = "\r\n"u8.ToArray();

    // After DATA's own CRLF we are at the start of a line.
    private State _state = State.LineStart;

    private enum State
    {
        /// <summary>After a true CRLF: only here can the end begin.</summary>
        LineStart,

        /// <summary>After a normalised line end.</summary>
        SoftLineStart,
        Text,

        /// <summary>A CR was given out as the last octet.</summary>
        AfterCr,

        /// <summary>A dot at the start of a line was held back.</summary>
        AfterDot,

        /// <summary>A dot and a CR were held back.</summary>
        AfterDotCr,
        End,
    }

    /// <summary>The final dot was read; what follows is the next command.</summary>
    public bool IsAtEnd => _state == State.End;

    /// <summary>A bare CR or LF was found and not normalised: the message must be refused.</summary>
    public bool HasBareLineEnd { get; private set; }

    /// <summary>
    /// A NUL was given out: the message must be refused (RFC 5322 §3.5, §4). A next hop that drops or stops at a NUL would see another
    /// message than we do, and perhaps another end of it.
    /// </summary>
    public bool HasNul { get; private set; }

    /// <summary>
    /// Takes octets from the front of <paramref name="input"/> and gives the next piece of content (it may be empty).
    /// Call until the input is empty or <see cref="IsAtEnd"/>.
    /// </summary>
    public ReadOnlyMemory<byte> Next(ref ReadOnlyMemory<byte> input)
    {
        var first = input.Span[0];
        switch (_state)
        {
            case State.LineStart when dots && first == Dot:
                input = input[1..];
                _state = State.AfterDot;
                return default;

            case State.SoftLineStart when dots && first == Dot:
                input = input[1..];
                _state = State.Text;
                return default;

            case State.AfterDot when first == Cr:
                input = input[1..];
                _state = State.AfterDotCr;
                return default;

            case State.AfterDotCr when first == Lf:
                input = input[1..];
                _state = State.End;
                return default;

            case State.AfterDotCr:
                return BareLineEnd(CrLf);

            case State.AfterCr when first != Lf:
                return BareLineEnd(CrLf[1..]);

            case State.Text or State.SoftLineStart or State.LineStart or State.AfterDot when first == Lf && normalise:
                input = input[1..];
                return BareLineEnd(CrLf);

            default:
                return Run(ref input);
        }
    }

    /// <summary>For BDAT, after the last octet: a CR there is bare. Gives what is still to be written.</summary>
    public ReadOnlyMemory<byte> Finish() => _state == State.AfterCr ? BareLineEnd(CrLf[1..]) : default;

    /// <summary>The longest run that can be given out as it stands.</summary>
    private ReadOnlyMemory<byte> Run(ref ReadOnlyMemory<byte> input)
    {
        var span = input.Span;
        // The LF that completes a CRLF begun in the input before.
        var i = _state == State.AfterCr ? 1 : 0;
        var lineStart = i == 1;
        _state = State.Text;
        while (true)
        {
            if (lineStart && (i == span.Length || (dots && span[i] == Dot)))
            {
                _state = State.LineStart;
                return Take(ref input, i);
            }
            lineStart = false;

            var hit = span[i..].IndexOfAny(Cr, Lf);
            if (hit < 0)
                return Take(ref input, span.Length);
            i += hit;

            if (span[i] == Cr && i + 1 == span.Length)
            {
                _state = State.AfterCr;
                return Take(ref input, span.Length);
            }
            if (span[i] == Cr && span[i + 1] == Lf)
            {
                i += 2;
                lineStart = true;
            }
            else if (!normalise)
            {
                HasBareLineEnd = true;
                i++;
            }
            else if (span[i] == Cr)
            {
                _state = State.AfterCr;
                return Take(ref input, i + 1);
            }
            else
            {
                return Take(ref input, i);
            }
        }
    }

    private ReadOnlyMemory<byte> BareLineEnd(ReadOnlyMemory<byte> normalised)
    {
        HasBareLineEnd |= !normalise;
        _state = normalise ? State.SoftLineStart : State.Text;
        return normalise ? normalised : default;
    }

    private ReadOnlyMemory<byte> Take(ref ReadOnlyMemory<byte> input, int count)
    {
        var piece = input[..count];
        input = input[count..];
        HasNul = HasNul || piece.Span.Contains((byte)0);
        return piece;
    }
}
