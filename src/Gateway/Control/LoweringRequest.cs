using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Text.Json;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Policies;

namespace GatewaySecure.Gateway.Control;

/// <summary>One person asks that mail gets less protection than it was accepted with; another one has to agree.</summary>
/// <param name="Id">Names it.</param>
/// <param name="Expires">After this it can't be approved any more.</param>
/// <param name="PolicyVersion">Of the rules that would be followed.</param>
internal sealed record LoweringRequest(
    string Id, Operator By, DateTimeOffset At, DateTimeOffset Expires, string PolicyVersion, ImmutableArray<Lowering> Lowerings);

/// <summary>What would change for one recipient. Holds for exactly these decisions.</summary>
/// <param name="Mail">Its id.</param>
/// <param name="Index">Into the envelope's recipients.</param>
internal sealed record Lowering(string Mail, int Index, string Sender, string Recipient, Decision From, Decision To)
{
    public string Shown => $"{Recipient}: {From.Shown()} → {To.Shown()}";
}

/// <summary>Requests that wait for a second person: a file each, durable before it is told of. Thread-safe.</summary>
internal sealed class LoweringRequests(string folder, TimeProvider time)
{
    public static readonly TimeSpan Lifetime = TimeSpan.FromHours(24);

    /// <summary>Recipients in one request: a person is to look at it.</summary>
    public const int MaxLowerings = 10_000;

    private const string Ending = ".json";

    private readonly ConcurrentDictionary<string, LoweringRequest> _claimed = new(StringComparer.Ordinal);

    /// <exception cref="IOException">It can't be kept.</exception>
    public LoweringRequest Add(Operator by, string policyVersion, ImmutableArray<Lowering> lowerings, string id)
    {
        var now = time.GetUtcNow();
        var request = new LoweringRequest(id, by, now, now + Lifetime, policyVersion, lowerings);
        MailSpool.MakeDirectory(folder);
        RemoveExpired();
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        var aside = PathOf(id) + ".tmp";
        using (var file = new FileStream(aside, options))
        {
            JsonSerializer.Serialize(file, request, ControlJson.Default.LoweringRequest);
            file.Flush(flushToDisk: true);
        }
        File.Move(aside, PathOf(id));
        Posix.SyncDirectory(folder);
        return request;
    }

    /// <summary>Those that can still be approved, oldest first.</summary>
    public ImmutableArray<LoweringRequest> List() =>
        Directory.Exists(folder)
            ? [.. Directory.EnumerateFiles(folder, "*" + Ending).Order(StringComparer.Ordinal).Select(Read).OfType<LoweringRequest>().Where(IsInTime)]
            : [];

    /// <exception cref="ControlException">There is none, or its time is over.</exception>
    public LoweringRequest Require(string? id) =>
        Find(id) ?? throw new ControlException($"There is no request {id} that waits. It may have expired; 'gateway queue requests' lists them.");

    /// <summary>One at a time acts on a request, until disposal.</summary>
    /// <exception cref="ControlException">Somebody else does, or it was settled since it was found.</exception>
    public IDisposable Claim(LoweringRequest request)
    {
        if (!_claimed.TryAdd(request.Id, request))
            throw new ControlException($"Request {request.Id} is being settled at this moment; see 'gateway queue requests'.");
        var claim = new Claimed(this, request.Id);
        if (Find(request.Id) is not null)
            return claim;
        claim.Dispose();
        throw new ControlException($"Request {request.Id} was settled a moment ago.");
    }

    /// <summary>What can't be removed is left behind; its decisions are no longer those it asked to change.</summary>
    public void Remove(LoweringRequest request) => MailSpool.TryDelete(PathOf(request.Id));

    /// <summary>Gone for good when it returns.</summary>
    /// <exception cref="IOException">It is still there.</exception>
    public void Withdraw(LoweringRequest request)
    {
        File.Delete(PathOf(request.Id));
        Posix.SyncDirectory(folder);
    }

    private LoweringRequest? Find(string? id) =>
        QueueId.TryParse(id, out var name) && Read(PathOf(name.ToString())) is { } request && IsInTime(request) ? request : null;

    private static LoweringRequest? Read(string path)
    {
        try
        {
            using var file = File.OpenRead(path);
            return JsonSerializer.Deserialize(file, ControlJson.Default.LoweringRequest);
        }
        catch (Exception e) when (e is JsonException or FileNotFoundException or DirectoryNotFoundException)
        {
            // Not there, or not whole: nobody can agree to it.
            return null;
        }
    }

    /// <summary>Not where the clock was set back to before it was made either.</summary>
    private bool IsInTime(LoweringRequest request)
    {
        var now = time.GetUtcNow();
        return now >= request.At && now < request.Expires && !request.Lowerings.IsDefault;
    }

    private void RemoveExpired()
    {
        foreach (var path in Directory.EnumerateFiles(folder, "*" + Ending))
        {
            if (Read(path) is not { } request || !IsInTime(request))
                MailSpool.TryDelete(path);
        }
    }

    private string PathOf(string id) => Path.Combine(folder, id + Ending);

    private sealed class Claimed(LoweringRequests requests, string id) : IDisposable
    {
        public void Dispose() => requests._claimed.TryRemove(id, out _);
    }
}
