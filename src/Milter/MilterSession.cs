using System.Buffers.Binary;
using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace GatewaySecure.Milter;

/// <summary>
/// The mail server's side of one conversation with a filter (Sendmail's milter protocol, version 6): tells it one mail and gives back what it
/// says. The body is streamed. Added fields are the only change that is passed on.
/// </summary>
/// <param name="stream">Connected; stays open.</param>
/// <param name="patience">For each answer; a filter that says it is at work gets it anew, ten times at most.</param>
public sealed class MilterSession(Stream stream, TimeSpan patience, TimeProvider time)
{
    private const int Version = 6;

    /// <summary>All that sendmail offers, so that filters which may want more do not give up at once: what they then really ask for is looked at.</summary>
    private const uint OfferedActions = 0x1FF;

    private const int LargestChunk = 65535;
    private const int MostProgress = 10;
    private const int MostChanges = 200;

    private readonly MilterConnection _connection = new(stream, patience, time);
    private readonly ChangeList _changes = new();
    private MilterSteps _steps;
    private bool _skipsBody;

    /// <exception cref="MilterException">The filter broke off, broke the protocol, or took too long: nothing is known of the mail.</exception>
    /// <exception cref="IOException">The body could not be read.</exception>
    public async Task<MilterVerdict> AskAsync(MilterMail mail, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(mail);
        await NegotiateAsync(cancellationToken);
        var verdict = await TellAsync(mail, cancellationToken);
        await _connection.SendAsync(MilterCommand.Quit, default, cancellationToken);
        return verdict;
    }

    private async Task NegotiateAsync(CancellationToken cancellationToken)
    {
        await _connection.SendAsync(MilterCommand.Negotiate, Numbers(Version, OfferedActions, (uint)MilterSteps.Offered), cancellationToken);
        var (answer, data) = await _connection.ReceiveAsync(cancellationToken);
        if (answer != MilterAnswer.Negotiate || data.Length < 12)
            throw new MilterException("it does not speak the milter protocol");
        var version = BinaryPrimitives.ReadUInt32BigEndian(data);
        _steps = (MilterSteps)BinaryPrimitives.ReadUInt32BigEndian(data.AsSpan(8));
        if (version is < 2 or > Version || (_steps & ~MilterSteps.Offered) != 0)
            throw new MilterException("it wants what was not offered");
    }

    private async Task<MilterVerdict> TellAsync(MilterMail mail, CancellationToken cancellationToken)
    {
        var steps = new (MilterCommand Command, MilterSteps LeftOut, MilterSteps Unanswered, byte[] Macros, IEnumerable<byte[]> Data)[]
        {
            (MilterCommand.Connect, MilterSteps.NoConnect, MilterSteps.NoReplyToConnect,
                Texts("j", mail.HostName, "{daemon_name}", mail.HostName, "{client_addr}", mail.Client.ToString()), [ConnectData(mail)]),
            (MilterCommand.Helo, MilterSteps.NoHelo, MilterSteps.NoReplyToHelo, [], mail.Helo.Length > 0 ? [Texts(mail.Helo)] : []),
            (MilterCommand.Mail, MilterSteps.NoMail, MilterSteps.NoReplyToMail, MailMacros(mail), [Texts($"<{mail.Sender}>")]),
            (MilterCommand.Recipient, MilterSteps.NoRecipient, MilterSteps.NoReplyToRecipient, [], mail.Recipients.Select(r => Texts($"<{r}>"))),
            (MilterCommand.Data, MilterSteps.NoData, MilterSteps.NoReplyToData, [], [[]]),
            (MilterCommand.Header, MilterSteps.NoHeaders, MilterSteps.NoReplyToHeader, [], mail.Fields.Select(HeaderData)),
            (MilterCommand.EndOfHeader, MilterSteps.NoEndOfHeader, MilterSteps.NoReplyToEndOfHeader, [], [[]]),
        };
        foreach (var step in steps)
        {
            if (_steps.HasFlag(step.LeftOut))
                continue;
            if (step.Macros.Length > 0)
                await _connection.SendAsync(MilterCommand.Macro, (byte[])[(byte)step.Command, .. step.Macros], cancellationToken);
            foreach (var data in step.Data)
            {
                await _connection.SendAsync(step.Command, data, cancellationToken);
                if (!_steps.HasFlag(step.Unanswered) && await AnswerAsync(cancellationToken) is { } early)
                    return early;
            }
        }
        if (!_steps.HasFlag(MilterSteps.NoBody) && await TellBodyAsync(mail.Body, cancellationToken) is { } verdict)
            return verdict;
        await _connection.SendAsync(MilterCommand.EndOfMessage, default, cancellationToken);
        return await AnswerAsync(cancellationToken, isLast: true) ?? new MilterVerdict.Accepted(_changes.Fields);
    }

    private async Task<MilterVerdict?> TellBodyAsync(Stream body, CancellationToken cancellationToken)
    {
        var chunk = new byte[LargestChunk];
        int length;
        while ((length = await body.ReadAtLeastAsync(chunk, LargestChunk, throwOnEndOfStream: false, cancellationToken)) > 0)
        {
            await _connection.SendAsync(MilterCommand.Body, chunk.AsMemory(0, length), cancellationToken);
            if (_steps.HasFlag(MilterSteps.NoReplyToBody))
                continue;
            if (await AnswerAsync(cancellationToken) is { } early)
                return early;
            if (_skipsBody)
                break;
        }
        return null;
    }

    /// <summary>Null: go on.</summary>
    private async Task<MilterVerdict?> AnswerAsync(CancellationToken cancellationToken, bool isLast = false)
    {
        var (progress, changes) = (0, 0);
        while (true)
        {
            var (answer, data) = await _connection.ReceiveAsync(cancellationToken);
            switch (answer)
            {
                case MilterAnswer.Continue:
                    return _changes.Verdict;
                case MilterAnswer.Accept:
                    // Before the end: it does not want to see more (of this mail, or of a client it trusts).
                    return _changes.Verdict ?? new MilterVerdict.Accepted(_changes.Fields);
                case MilterAnswer.Reject:
                    return new MilterVerdict.Rejected("rejected");
                case MilterAnswer.Discard:
                    return new MilterVerdict.Discarded();
                case MilterAnswer.TemporaryFailure or MilterAnswer.Shutdown or MilterAnswer.ConnectionFailure:
                    return new MilterVerdict.TryLater("it can't tell now");
                case MilterAnswer.ReplyCode:
                    var reply = ChangeList.TextOf(data);
                    return reply.StartsWith('4') ? new MilterVerdict.TryLater(reply) : new MilterVerdict.Rejected(reply);
                case MilterAnswer.Skip when !isLast:
                    _skipsBody = true;
                    return null;
                case MilterAnswer.Progress when ++progress <= MostProgress:
                    continue;
                case MilterAnswer.Progress:
                    throw new MilterException("it is at work for too long");
                default:
                    if (!isLast || ++changes > MostChanges || !_changes.TryTake(answer, data))
                        throw new MilterException($"the answer 0x{(byte)answer:x2} is not expected here");
                    continue;
            }
        }
    }

    private static byte[] MailMacros(MilterMail mail) => Texts(
        mail.AuthenticatedAs is { } account
            ? ["i", mail.QueueId, "{mail_addr}", mail.Sender, "{auth_authen}", account]
            : ["i", mail.QueueId, "{mail_addr}", mail.Sender]);

    private static byte[] ConnectData(MilterMail mail)
    {
        var client = mail.Client.IsIPv4MappedToIPv6 ? mail.Client.MapToIPv4() : mail.Client;
        var isV6 = client.AddressFamily == AddressFamily.InterNetworkV6;
        // The port is not known any more; 0 is what Sendmail sends then.
        return [.. Texts($"[{client}]"), (byte)(isV6 ? '6' : '4'), 0, 0, .. Texts(isV6 ? string.Create(CultureInfo.InvariantCulture, $"IPv6:{client}") : client.ToString())];
    }

    private byte[] HeaderData(MilterField field)
    {
        var value = field.Value.Span;
        // A filter that does not know about it gets the value without the customary space.
        if (!_steps.HasFlag(MilterSteps.LeadingSpace) && value is [(byte)' ', ..])
            value = value[1..];
        // Inside a field lines end in LF alone, as sendmail keeps them.
        var text = Encoding.Latin1.GetString(value).Replace("\r\n", "\n", StringComparison.Ordinal).Replace("\0", "", StringComparison.Ordinal);
        return [.. Texts(field.Name), .. Encoding.Latin1.GetBytes(text), 0];
    }

    private static byte[] Texts(params string[] texts) =>
        Encoding.UTF8.GetBytes(string.Concat(texts.Select(t => t.Replace("\0", "", StringComparison.Ordinal) + "\0")));

    private static byte[] Numbers(params uint[] numbers)
    {
        var data = new byte[4 * numbers.Length];
        for (var i = 0; i < numbers.Length; i++)
            BinaryPrimitives.WriteUInt32BigEndian(data.AsSpan(4 * i), numbers[i]);
        return data;
    }
}
