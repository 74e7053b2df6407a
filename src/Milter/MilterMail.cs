using System.Collections.Immutable;
using System.Net;

namespace GatewaySecure.Milter;

/// <summary>One mail as it is told to a filter.</summary>
public sealed record MilterMail
{
    /// <summary>Of the gateway, for the macro <c>j</c>.</summary>
    public required string HostName { get; init; }

    /// <summary>For the macro <c>i</c>: filters log it.</summary>
    public required string QueueId { get; init; }

    /// <summary>Who brought the mail.</summary>
    public required IPAddress Client { get; init; }

    /// <summary>As the client gave it; empty: not at all.</summary>
    public required string Helo { get; init; }

    /// <summary>The account it was submitted with, or null.</summary>
    public string? AuthenticatedAs { get; init; }

    /// <summary>Without angle brackets; empty for the null sender.</summary>
    public required string Sender { get; init; }

    public required ImmutableArray<string> Recipients { get; init; }

    /// <summary>The header, in its order.</summary>
    public required ImmutableArray<MilterField> Fields { get; init; }

    /// <summary>From the first octet of the body; CRLF line ends.</summary>
    public required Stream Body { get; init; }
}

/// <summary>A header field.</summary>
/// <param name="Value">Octets behind the colon, white space and folding with it, without the last line end.</param>
public sealed record MilterField(string Name, ReadOnlyMemory<byte> Value);

/// <summary>A field that the filter wants added.</summary>
/// <param name="Value">Its lines, when it is folded, are parted by CRLF and begin with white space.</param>
public sealed record AddedField(string Name, string Value);

/// <summary>What a filter says of a mail.</summary>
public abstract record MilterVerdict
{
    private MilterVerdict()
    {
    }

    /// <summary>Go on.</summary>
    /// <param name="Added">In the order they were asked for; names and values are well formed.</param>
    public sealed record Accepted(ImmutableArray<AddedField> Added) : MilterVerdict;

    /// <summary>It must not go on.</summary>
    /// <param name="Reason">The filter's words, printable ASCII.</param>
    public sealed record Rejected(string Reason) : MilterVerdict;

    /// <summary>It should vanish without a word.</summary>
    public sealed record Discarded : MilterVerdict;

    /// <summary>It is to be kept for a person.</summary>
    /// <param name="Reason">The filter's words, printable ASCII.</param>
    public sealed record Quarantined(string Reason) : MilterVerdict;

    /// <summary>The filter can't tell now.</summary>
    /// <param name="Reason">The filter's words, printable ASCII.</param>
    public sealed record TryLater(string Reason) : MilterVerdict;

    /// <summary>The filter wants a change that would alter what was accepted.</summary>
    /// <param name="Change">What, in plain words.</param>
    public sealed record ChangeRefused(string Change) : MilterVerdict;
}

/// <summary>The filter broke off, said what the protocol does not know, or took too long.</summary>
public sealed class MilterException(string message, Exception? inner = null) : IOException(message, inner);
