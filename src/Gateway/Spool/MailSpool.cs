using System.Collections.Immutable;

namespace GatewaySecure.Gateway.Spool;

/// <summary>The mail in flight of this node, on its own disk: durable before it is answered for, encrypted at rest (docs/formats/spool.md).</summary>
internal sealed class MailSpool
{
    private readonly string _directory;
    private readonly ISpoolKey _key;
    private readonly TimeProvider _time;
    private readonly Lock _spaceGate = new();
    private long? _spaceCheckedAt;
    private long _freeSpace;
    private long _inMemory;

    private MailSpool(string directory, ISpoolKey key, SpoolOptions options, TimeProvider time)
    {
        _directory = directory;
        _key = key;
        Options = options;
        _time = time;
        QueueSync = new DirectorySync(Path.Combine(directory, SpoolNames.Queue));
    }

    internal SpoolOptions Options { get; }

    internal TimeProvider Time => _time;

    internal DirectorySync QueueSync { get; }

    /// <summary>Called before each write of an item's octets; a test makes the disk fail here.</summary>
    internal Action? BeforeWrite { get; set; }

    /// <exception cref="SpoolUnavailableException">The folders can't be made.</exception>
    public static MailSpool Open(string directory, ISpoolKey key, SpoolOptions options, TimeProvider time)
    {
        try
        {
            MakeDirectory(directory);
            foreach (var name in new[] { SpoolNames.Incoming, SpoolNames.Queue, SpoolNames.Aside })
                MakeDirectory(Path.Combine(directory, name));
            Posix.SyncDirectory(directory);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SpoolUnavailableException("The spool's folders can't be made.", e);
        }
        return new MailSpool(directory, key, options, time);
    }

    /// <summary>What another process may look at: every item with its status, and what can't be read. Changes nothing.</summary>
    public static RecoveredSpool ReadOnlyView(string directory, ISpoolKey key) =>
        SpoolRecovery.View(Path.Combine(directory, SpoolNames.Queue), key);

    /// <summary>Every item for looking, oldest first, one after the other; none is kept in memory here.</summary>
    /// <param name="unreadable">Is told the file and the reason.</param>
    public static IEnumerable<SpooledMail> StreamView(string directory, ISpoolKey key, Action<string, string> unreadable) =>
        SpoolRecovery.Stream(Path.Combine(directory, SpoolNames.Queue), null, key, unreadable);

    /// <summary>One item for looking; null where there is none that can be read.</summary>
    public static SpooledMail? FindView(string directory, ISpoolKey key, QueueId id) => SpoolRecovery.Find(Path.Combine(directory, SpoolNames.Queue), null, key, id);

    /// <summary>The same for its owner, who may change what he is given.</summary>
    public IEnumerable<SpooledMail> Stream(Action<string, string> unreadable) =>
        SpoolRecovery.Stream(Path.Combine(_directory, SpoolNames.Queue), this, _key, unreadable);

    /// <summary>One item for its owner; null where there is none that can be read.</summary>
    public SpooledMail? Find(QueueId id) => SpoolRecovery.Find(Path.Combine(_directory, SpoolNames.Queue), this, _key, id);

    /// <summary>A new item, whose name is known at once and which nobody sees before its commit.</summary>
    /// <exception cref="SpoolUnavailableException">No space left above the reserve, or the disk fails.</exception>
    public SpoolWriter Begin()
    {
        RequireSpace();
        return new SpoolWriter(this, QueueId.Create(_time.GetUtcNow()), _key);
    }

    /// <summary>
    /// At start: discards what was not committed, and gives every item that is left, oldest first. An item that can't be read is set
    /// aside, with the reason. An item whose recipients are all final is given too, for its owner to remove.
    /// </summary>
    public RecoveredSpool Recover() => new SpoolRecovery(this, _directory, _key).Run();

    internal string IncomingPath(QueueId id) => Path.Combine(_directory, SpoolNames.Incoming, id + SpoolNames.Temporary);

    internal string MailPath(QueueId id) => Path.Combine(_directory, SpoolNames.Queue, id + SpoolNames.Mail);

    internal string LogPath(QueueId id) => Path.Combine(_directory, SpoolNames.Queue, id + SpoolNames.Log);

    /// <summary>Asks the disk at most once a second.</summary>
    internal void RequireSpace()
    {
        long free;
        lock (_spaceGate)
        {
            if (_spaceCheckedAt is not { } at || _time.GetElapsedTime(at) >= TimeSpan.FromSeconds(1))
            {
                try
                {
                    _freeSpace = new DriveInfo(Path.GetFullPath(_directory)).AvailableFreeSpace;
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    throw new SpoolUnavailableException("The spool's disk does not answer.", e);
                }
                _spaceCheckedAt = _time.GetTimestamp();
            }
            free = _freeSpace;
        }
        if (free < Options.MinimumFreeSpace)
            throw new SpoolUnavailableException($"The spool's disk has {free} octets left, less than the reserve of {Options.MinimumFreeSpace}.");
    }

    /// <summary>Gives every failure of the disk the one name by which callers know it, after <paramref name="undo"/>.</summary>
    internal void Guard(Action action, Action undo)
    {
        try
        {
            action();
        }
        catch (Exception e)
        {
            undo();
            lock (_spaceGate)
                _spaceCheckedAt = null;
            if (e is (IOException or UnauthorizedAccessException) and not SpoolUnavailableException)
                throw new SpoolUnavailableException("The spool's disk is full or fails.", e);
            throw;
        }
    }

    /// <summary>Octets of mail that memory holds, of what was asked for by <see cref="TryReserveMemory"/>.</summary>
    internal long InMemory => Interlocked.Read(ref _inMemory);

    /// <summary>False where the budget has no room: the disk has. <see cref="FreeMemory"/> gives it back.</summary>
    internal bool TryReserveMemory(long length)
    {
        if (Interlocked.Add(ref _inMemory, length) <= Options.MemoryBudget)
            return true;
        Interlocked.Add(ref _inMemory, -length);
        return false;
    }

    internal void FreeMemory(long length) => Interlocked.Add(ref _inMemory, -length);

    internal static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What stays in incoming/ is discarded at the next start.
        }
    }

    /// <summary>With mode 0700, where it is not there.</summary>
    internal static void MakeDirectory(string path)
    {
        if (OperatingSystem.IsWindows())
            Directory.CreateDirectory(path);
        else
            Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }
}

/// <summary>Folders and endings of the spool.</summary>
internal static class SpoolNames
{
    public const string Incoming = "incoming";
    public const string Queue = "queue";
    public const string Aside = "aside";
    public const string Temporary = ".tmp";
    public const string Mail = ".mail";
    public const string Log = ".log";
}

/// <summary>What was found on the disk at start, or by a look from outside.</summary>
internal sealed record RecoveredSpool(ImmutableArray<SpooledMail> Items, ImmutableArray<(string File, string Reason)> SetAside);

/// <summary>How much of disk and memory the spool may take.</summary>
/// <param name="MinimumFreeSpace">In octets; below it nothing is accepted.</param>
/// <param name="KeepInMemory">Content up to this many octets stays in memory from its arrival until the first attempt.</param>
/// <param name="MemoryBudget">Of all such content together. Where it has no room, content goes to the disk as it comes.</param>
internal sealed record SpoolOptions(long MinimumFreeSpace = 256L << 20, int KeepInMemory = 256 << 10, long MemoryBudget = 64L << 20);

/// <summary>The disk is full or fails: answer 452 4.3.1 and lose nothing.</summary>
internal sealed class SpoolUnavailableException(string message, Exception? inner = null) : IOException(message, inner);
