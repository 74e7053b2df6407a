using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Text;

namespace GatewaySecure.Milter;

/// <summary>What a filter asks to have changed, at the end of a message: fields to add, and the first thing that can't be granted.</summary>
internal sealed class ChangeList
{
    private const int LongestValue = 16 * 1024;
    private const int LongestReason = 200;

    /// <summary>A second one would say something else than what was accepted (RFC 5322 §3.6).</summary>
    private static readonly FrozenSet<string> NotToBeAdded = new[]
    {
        "From", "Sender", "Reply-To", "To", "Cc", "Bcc", "Date", "Message-ID", "In-Reply-To", "References", "Subject", "MIME-Version",
        "Received", "Return-Path",
    }.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    private readonly List<AddedField> _fields = [];
    private string? _refused;
    private string? _quarantine;

    public ImmutableArray<AddedField> Fields => [.. _fields];

    /// <summary>Null: the mail may go on.</summary>
    public MilterVerdict? Verdict =>
        _quarantine is not null ? new MilterVerdict.Quarantined(_quarantine)
        : _refused is not null ? new MilterVerdict.ChangeRefused(_refused)
        : null;

    /// <summary>False: it is no change at all.</summary>
    public bool TryTake(MilterAnswer answer, byte[] data)
    {
        switch (answer)
        {
            case MilterAnswer.AddHeader:
                Add(data);
                break;
            case MilterAnswer.InsertHeader when data.Length >= 4:
                Add(data.AsSpan(4));
                break;
            case MilterAnswer.Quarantine:
                _quarantine = TextOf(data);
                break;
            case MilterAnswer.ChangeHeader:
                _refused ??= "to change a header field";
                break;
            case MilterAnswer.ReplaceBody:
                _refused ??= "to replace the body";
                break;
            case MilterAnswer.ChangeSender:
                _refused ??= "to change the sender";
                break;
            case MilterAnswer.AddRecipient or MilterAnswer.AddRecipientWithParameters or MilterAnswer.DeleteRecipient:
                _refused ??= "to change the recipients";
                break;
            default:
                return false;
        }
        return true;
    }

    /// <summary>Up to the first NUL, in printable ASCII: it goes into logs and reports.</summary>
    public static string TextOf(ReadOnlySpan<byte> data)
    {
        var end = data.IndexOf((byte)0);
        var text = Encoding.Latin1.GetString(end < 0 ? data : data[..end]);
        return string.Concat(text.Take(LongestReason).Select(c => c is >= ' ' and <= '~' ? c : ' ')).Trim();
    }

    private void Add(ReadOnlySpan<byte> data)
    {
        var end = data.IndexOf((byte)0);
        var name = end < 0 ? "" : Encoding.Latin1.GetString(data[..end]);
        var rest = end < 0 ? default : data[(end + 1)..];
        var value = Encoding.Latin1.GetString(rest.TrimEnd((byte)0));
        if (name.Length is 0 or > 100 || name.Any(c => c is <= ' ' or >= (char)127 or ':') || value.Length > LongestValue)
            _refused ??= "to add a malformed header field";
        else if (NotToBeAdded.Contains(name) || name.StartsWith("Content-", StringComparison.OrdinalIgnoreCase))
            _refused ??= $"to add the header field {name}";
        else if (Folded(value) is { } folded)
            _fields.Add(new AddedField(name, folded));
        else
            _refused ??= "to add a malformed header field";
    }

    /// <summary>Null where a line does not begin with white space, is empty or holds what no header may.</summary>
    private static string? Folded(string value)
    {
        var lines = value.Trim(' ').ReplaceLineEndings("\n").TrimEnd('\n').Split('\n');
        var isSound = lines.Skip(1).All(l => l.Length > 1 && l[0] is ' ' or '\t' && l.Trim().Length > 0)
            && lines.All(l => l.Length <= 998 && l.All(c => c is '\t' or (>= ' ' and <= '~')));
        return isSound ? string.Join("\r\n", lines) : null;
    }
}
