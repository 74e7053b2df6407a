using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text.Json;

namespace GatewaySecure.Gateway.Spool;

/// <summary>Puts the spool in order after a stop or a crash. Committed mail is never deleted here: it is given, or set aside.</summary>
internal sealed class SpoolRecovery(MailSpool spool, string directory, ISpoolKey key)
{
    private readonly string _queue = Path.Combine(directory, SpoolNames.Queue);
    private readonly string _aside = Path.Combine(directory, SpoolNames.Aside);
    private readonly ImmutableArray<(string File, string Reason)>.Builder _setAside = ImmutableArray.CreateBuilder<(string, string)>();

    public RecoveredSpool Run()
    {
        try
        {
            foreach (var leftover in Directory.EnumerateFiles(Path.Combine(directory, SpoolNames.Incoming)))
                File.Delete(leftover);

            var items = new List<SpooledMail>();
            // Keys and headers of 100,000 mails are work for more than one processor.
            var all = Directory.GetFiles(_queue, "*" + SpoolNames.Mail).AsParallel().Select(path =>
                (Path: path, Item: TryRead(path, spool, key, spool.QueueSync, out var reason), Reason: reason));
            foreach (var (path, item, reason) in all)
            {
                if (item is not null)
                    items.Add(item);
                else if (reason is not null)
                    SetAside(path, reason);
            }
            CleanJournals();
            if (_setAside.Count > 0)
            {
                Posix.SyncDirectory(_aside);
                spool.QueueSync.Flush();
            }
            return new RecoveredSpool([.. items.OrderBy(i => i.Id)], _setAside.ToImmutable());
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SpoolUnavailableException("The spool can't be put in order.", e);
        }
    }

    /// <summary>The same without touching anything, while its owner is at work.</summary>
    public static RecoveredSpool View(string queue, ISpoolKey key)
    {
        var unreadable = ImmutableArray.CreateBuilder<(string, string)>();
        var items = Stream(queue, null, key, (file, reason) => unreadable.Add((file, reason))).ToImmutableArray();
        return new RecoveredSpool(items, unreadable.ToImmutable());
    }

    /// <summary>
    /// One item after the other, oldest first, none of them kept here. What vanishes meanwhile is left out; what can't be read is told.
    /// </summary>
    /// <param name="spool">Null: for looking only.</param>
    public static IEnumerable<SpooledMail> Stream(string queue, MailSpool? spool, ISpoolKey key, Action<string, string> unreadable)
    {
        var paths = Directory.GetFiles(queue, "*" + SpoolNames.Mail);
        // Names sort by age.
        Array.Sort(paths, StringComparer.Ordinal);
        foreach (var path in paths)
        {
            var item = TryRead(path, spool, key, spool?.QueueSync, out var reason);
            // The mail goes before its journal: gone now means that the journal may have been missed.
            if (!File.Exists(path))
                continue;
            if (item is not null)
                yield return item;
            else
                unreadable(Path.GetFileName(path), reason ?? "It can't be read.");
        }
    }

    /// <summary>Null where there is none that can be read.</summary>
    public static SpooledMail? Find(string queue, MailSpool? spool, ISpoolKey key, QueueId id)
    {
        var path = Path.Combine(queue, id + SpoolNames.Mail);
        return File.Exists(path) ? TryRead(path, spool, key, spool?.QueueSync, out _) : null;
    }

    private static SpooledMail? TryRead(string path, MailSpool? spool, ISpoolKey key, DirectorySync? directory, out string? reason)
    {
        reason = null;
        if (!QueueId.TryParse(Path.GetFileNameWithoutExtension(path), out var id))
        {
            reason = "Its name is none of the spool's.";
            return null;
        }
        try
        {
            var facts = ItemFormat.Read(path, id, key);
            var journal = new SpoolJournal(Path.ChangeExtension(path, SpoolNames.Log), facts.Keys, directory);
            var content = new SpoolContent(path, facts.Keys, facts.ContentOffset, facts.ContentLength, inMemory: null);
            var item = new SpooledMail(spool, id, facts.Mail, content, path, journal);
            item.Apply(journal.Replay());
            return item;
        }
        catch (CryptographicException)
        {
            reason = "The spool key does not open it, or it was altered.";
        }
        catch (JsonException)
        {
            reason = "What it says of the mail is of another form.";
        }
        catch (InvalidDataException e)
        {
            reason = e.Message;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            reason = $"The disk does not give it: {e.Message}";
        }
        return null;
    }

    /// <summary>A journal without its mail is what a removal left behind, or follows its mail aside.</summary>
    private void CleanJournals()
    {
        foreach (var log in Directory.GetFiles(_queue, "*" + SpoolNames.Log))
        {
            if (File.Exists(Path.ChangeExtension(log, SpoolNames.Mail)))
                continue;
            var name = Path.GetFileName(log);
            if (File.Exists(Path.Combine(_aside, Path.ChangeExtension(name, SpoolNames.Mail))))
                File.Move(log, FreeName(name));
            else
                File.Delete(log);
        }
    }

    /// <summary>The mail goes first: a mail that lost its journal would be sent again. <see cref="CleanJournals"/> takes the journal.</summary>
    private void SetAside(string path, string reason)
    {
        var target = FreeName(Path.GetFileName(path));
        File.Move(path, target);
        _setAside.Add((target, reason));
    }

    private string FreeName(string name)
    {
        var target = Path.Combine(_aside, name);
        for (var i = 2; File.Exists(target); i++)
            target = Path.Combine(_aside, $"{name}.{i}");
        return target;
    }
}
