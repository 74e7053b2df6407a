using System.Collections.Immutable;
using GatewaySecure.MailProtection;

namespace GatewaySecure.Gateway.Spool;

/// <summary>The mail in flight of this node, on its own disk: durable before it is answered for, encrypted at rest (docs/formats/spool.md).</summary>
internal sealed class MailSpool
{
    public static MailSpool Open(string directory, ISpoolKey key, SpoolOptions options, TimeProvider time) => throw new NotSupportedException();

    /// <summary>A new item, whose name is known at once and which nobody sees before its commit.</summary>
    /// <exception cref="SpoolUnavailableException">No space left above the reserve, or the disk fails.</exception>
    public SpoolWriter Begin() => throw new NotSupportedException();

    /// <summary>At start: discards what was not committed, and gives every item that is left. An item that can't be read is set aside, with the reason.</summary>
    public RecoveredSpool Recover() => throw new NotSupportedException();
}

internal sealed record RecoveredSpool(ImmutableArray<SpooledMail> Items, ImmutableArray<(string File, string Reason)> SetAside);

/// <param name="MinimumFreeSpace">In octets; below it nothing is accepted.</param>
/// <param name="KeepInMemory">Content up to this many octets stays in memory until the first attempt, within <paramref name="MemoryBudget"/> in all.</param>
internal sealed record SpoolOptions(long MinimumFreeSpace = 256L << 20, int KeepInMemory = 256 << 10, long MemoryBudget = 64L << 20);

/// <summary>The disk is full or fails: answer 452 4.3.1 and lose nothing.</summary>
internal sealed class SpoolUnavailableException(string message, Exception? inner = null) : IOException(message, inner);

/// <summary>Takes the content of one mail as it arrives. Disposal without a commit leaves nothing behind.</summary>
internal sealed class SpoolWriter : IAsyncDisposable
{
    public QueueId Id { get; }

    /// <exception cref="SpoolUnavailableException" />
    public ValueTask WriteAsync(ReadOnlyMemory<byte> octets, CancellationToken cancellationToken) => throw new NotSupportedException();

    /// <summary>Content and everything about it are durable when this returns: fsync of the file, rename, fsync of the directory.</summary>
    /// <exception cref="SpoolUnavailableException" />
    public ValueTask<SpooledMail> CommitAsync(AcceptedMail mail, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask DisposeAsync() => throw new NotSupportedException();
}

/// <summary>One committed item. Its content can be read by several at once; its status is changed by one owner at a time.</summary>
internal sealed class SpooledMail
{
    public QueueId Id { get; }

    public AcceptedMail Mail { get; } = null!;

    /// <summary>The content as accepted, with our trace field on top. Every octet read was authenticated.</summary>
    public IMailContent Content { get; } = null!;

    /// <summary>One for each of the envelope's recipients, in the same order.</summary>
    public ImmutableArray<RecipientStatus> Status { get; }

    /// <summary>What protection attempts gave to keep, by the key the queue chose for the group of recipients.</summary>
    public ReadOnlyMemory<byte>? KeptState(string group) => throw new NotSupportedException();

    /// <summary>Durable (fsync) when it returns.</summary>
    public ValueTask KeepStateAsync(string group, ReadOnlyMemory<byte> state, CancellationToken cancellationToken) => throw new NotSupportedException();

    /// <summary>Journals the status of some recipients (index into the envelope) and then takes it over in <see cref="Status"/>.</summary>
    /// <param name="changes">Index and new status of each.</param>
    /// <param name="durable">True: fsync before it returns, where losing the line would send a mail twice or lose a hold.</param>
    public ValueTask RecordAsync(IReadOnlyList<(int Index, RecipientStatus Status)> changes, bool durable, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    /// <summary>Every recipient is final with these changes: takes them over without a journal line, and the item leaves the disk.</summary>
    public void Finish(IReadOnlyList<(int Index, RecipientStatus Status)> changes) => throw new NotSupportedException();
}
