using System.Collections.Immutable;
using System.Text;
using GatewaySecure.MailProtection;
using GatewaySecure.Policies;

namespace GatewaySecure.Gateway.Spool;

/// <summary>One committed item. Its content can be read by several at once; its status is changed by one at a time, who takes a turn for it.</summary>
internal sealed class SpooledMail
{
    private readonly MailSpool? _spool;
    private readonly SpoolContent _content;
    private readonly SpoolJournal _journal;
    private readonly string _path;
    private ImmutableDictionary<string, byte[]> _kept = ImmutableDictionary.Create<string, byte[]>(StringComparer.Ordinal);
    private ImmutableHashSet<int> _unwritten = [];
    private int _memoryIsReleased;
    private readonly MailAge? _age;

    /// <summary>Made where it is first needed: most of a long queue only waits.</summary>
    private SemaphoreSlim? _turns;

    /// <param name="spool">Null for a view, which can't be changed.</param>
    internal SpooledMail(MailSpool? spool, QueueId id, AcceptedMail mail, SpoolContent content, string path, SpoolJournal journal)
    {
        _spool = spool;
        _age = spool is null ? null : new MailAge(mail.AcceptedAt, spool.Time);
        _content = content;
        _path = path;
        _journal = journal;
        Id = id;
        Mail = mail;
        Status = [.. mail.Envelope.Recipients.Select(_ => RecipientStatus.New)];
        Decisions = mail.Decisions;
        Content = mail.OnTop is { Length: > 0 } top ? new ContentWithTop(Encoding.ASCII.GetBytes(top), content) : content;
    }

    public QueueId Id { get; }

    public AcceptedMail Mail { get; }

    /// <summary>The content as accepted, with our trace fields on top. Every octet read was authenticated.</summary>
    public IMailContent Content { get; }

    /// <summary>One for each of the envelope's recipients, in the same order.</summary>
    public ImmutableArray<RecipientStatus> Status { get; private set; }

    /// <summary>
    /// What is decided now for each of the envelope's recipients: as accepted, or as decided again since.
    /// </summary>
    public ImmutableArray<Decision> Decisions { get; private set; }

    /// <summary>How long it has been here.</summary>
    public TimeSpan Age => _age?.Now ?? throw ForReading();

    /// <summary>For how long a recipient was tried, for his expiry: since he was accepted, or since a person released him.</summary>
    /// <param name="index">Into the envelope's recipients.</param>
    /// <param name="atMostBefore">What the time before this start counts at the most.</param>
    public TimeSpan TriedFor(int index, TimeSpan atMostBefore) => _age?.Since(Status[index].ReleasedAt ?? TimeSpan.Zero, atMostBefore) ?? throw ForReading();

    /// <summary>What protection attempts gave to keep, by the key the queue chose for the group of recipients.</summary>
    public ReadOnlyMemory<byte>? KeptState(string group) => _kept.TryGetValue(group, out var state) ? state : (ReadOnlyMemory<byte>?)null;

    /// <summary>Durable (fsync) when it returns, unless that is not asked for: then a crash of the machine may lose it.</summary>
    /// <exception cref="SpoolUnavailableException">Not kept: the disk is full or fails.</exception>
    public async ValueTask KeepStateAsync(string group, ReadOnlyMemory<byte> state, CancellationToken cancellationToken, bool durable = true)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var entry = new JournalEntry { Group = group, State = state.ToArray() };
        await AppendAsync(entry, durable);
        Apply(entry);
    }

    /// <summary>Waits until nobody else changes its status; disposal ends the turn.</summary>
    public async ValueTask<Turn> TakeTurnAsync(CancellationToken cancellationToken)
    {
        var turns = LazyInitializer.EnsureInitialized(ref _turns, () => new SemaphoreSlim(1, 1));
        await turns.WaitAsync(cancellationToken);
        return new Turn(turns);
    }

    /// <summary>It left the disk.</summary>
    public bool IsRemoved { get; private set; }

    /// <summary>True where <see cref="Know"/> took over something that no journal line says yet.</summary>
    public bool HasUnwritten => !_unwritten.IsEmpty;

    /// <summary>
    /// Takes over at once, in memory, what can't be undone (a next hop took the mail), so that nothing that fails later makes it
    /// happen again while this process lives. The next journal line says it too.
    /// </summary>
    public void Know(int index, RecipientStatus status)
    {
        Status = Status.SetItem(index, status);
        _unwritten = _unwritten.Add(index);
    }

    /// <summary>
    /// Journals the status of some recipients (index into the envelope), with what was only known so far, and then takes it over in
    /// <see cref="Status"/>. Content leaves memory.
    /// </summary>
    /// <param name="changes">Index and new status of each.</param>
    /// <param name="durable">True: fsync before it returns, where losing the line would send a mail twice or lose a hold.</param>
    /// <exception cref="SpoolUnavailableException">Not recorded: the disk is full or fails.</exception>
    public ValueTask RecordAsync(IReadOnlyList<(int Index, RecipientStatus Status)> changes, bool durable, CancellationToken cancellationToken) =>
        RecordAsync(changes, [], durable, cancellationToken);

    /// <summary>The same, with new decisions for some recipients, durable. What was kept under the older decisions is not used again.</summary>
    /// <exception cref="SpoolUnavailableException">Not recorded: the disk is full or fails.</exception>
    public ValueTask DecideAsync(
        IReadOnlyList<(int Index, Decision Decision)> decisions,
        IReadOnlyList<(int Index, RecipientStatus Status)> changes,
        CancellationToken cancellationToken) =>
        RecordAsync(changes, decisions, durable: true, cancellationToken);

    private async ValueTask RecordAsync(
        IReadOnlyList<(int Index, RecipientStatus Status)> changes,
        IReadOnlyList<(int Index, Decision Decision)> decisions,
        bool durable,
        CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        foreach (var index in changes.Select(c => c.Index).Concat(decisions.Select(d => d.Index)))
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Status.Length, nameof(changes));
        ReleaseMemory();
        var known = _unwritten.Except(changes.Select(c => c.Index));
        var entry = new JournalEntry
        {
            Changes = [.. changes.Select(c => new StatusChange(c.Index, c.Status)), .. known.Select(i => new StatusChange(i, Status[i]))],
            Decisions = decisions.Count == 0 ? null : [.. decisions.Select(d => new DecisionChange(d.Index, d.Decision))],
        };
        await AppendAsync(entry, durable);
        Apply(entry);
        _unwritten = [];
    }

    /// <summary>Lets go of content that was kept in memory for the first attempt; it is read from the disk from now on.</summary>
    public void ReleaseMemory()
    {
        if (Interlocked.Exchange(ref _memoryIsReleased, 1) == 0 && _content.ReleaseMemory())
            _spool?.FreeMemory(_content.Length);
    }

    /// <summary>Every recipient is final with these changes: takes them over without a journal line, and the item leaves the disk.</summary>
    /// <exception cref="SpoolUnavailableException">It is still there; call again.</exception>
    public void Finish(IReadOnlyList<(int Index, RecipientStatus Status)> changes)
    {
        Apply(new JournalEntry { Changes = [.. changes.Select(c => new StatusChange(c.Index, c.Status))] });
        Remove();
    }

    /// <summary>Every recipient is final: the item leaves the disk.</summary>
    /// <exception cref="SpoolUnavailableException">It is still there; a restart gives it again, with its status.</exception>
    public void Remove()
    {
        if (_spool is null)
            throw ForReading();
        ReleaseMemory();
        try
        {
            // The mail first: a mail that lost its journal would be sent again.
            File.Delete(_path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SpoolUnavailableException("The item can't be removed from the spool.", e);
        }
        MailSpool.TryDelete(_journal.Path);
        IsRemoved = true;
    }

    /// <exception cref="InvalidDataException">An entry speaks of a recipient that the mail doesn't have.</exception>
    internal void Apply(IReadOnlyList<JournalEntry> entries)
    {
        foreach (var entry in entries)
        {
            if (entry.Changes?.Any(c => (uint)c.Index >= (uint)Status.Length) == true
                || entry.Decisions?.Any(d => (uint)d.Index >= (uint)Status.Length) == true)
                throw new InvalidDataException("Its journal speaks of a recipient that it doesn't have.");
            Apply(entry);
        }
    }

    private static InvalidOperationException ForReading() => new("This view of the spool is for reading.");

    private async ValueTask AppendAsync(JournalEntry entry, bool durable)
    {
        if (!durable)
        {
            _journal.Append(entry, durable: false);
            return;
        }
        await DiskThreads.RunAsync(() =>
        {
            _journal.Append(entry, durable: true);
            return true;
        });
    }

    private void Apply(JournalEntry entry)
    {
        if (entry.Changes is { } changes)
        {
            var status = Status.ToBuilder();
            foreach (var change in changes)
                status[change.Index] = change.Status;
            Status = status.ToImmutable();
        }
        if (entry.Decisions is { } decided)
        {
            var decisions = Decisions.ToBuilder();
            foreach (var change in decided)
                decisions[change.Index] = change.Decision;
            Decisions = decisions.ToImmutable();
            // Kept for groups that the older decisions made; the same name may mean others now.
            _kept = _kept.Clear();
        }
        if (entry is { Group: { } group, State: { } state })
            _kept = _kept.SetItem(group, state);
    }

    /// <summary>The right to change the status, until disposal.</summary>
    internal readonly struct Turn(SemaphoreSlim turns) : IDisposable
    {
        public void Dispose() => turns.Release();
    }
}
