using System.Collections.Concurrent;
using System.Collections.Immutable;

namespace GatewaySecure.Storage;

/// <summary>Answers that hold for one version of the directory; a new version begins with an empty cache. Bounded.</summary>
internal sealed class VersionedCache<TKey, TValue>(DirectoryVersion version)
    where TKey : notnull
{
    private const int Capacity = 50_000;

    private Generation _generation = new(-1);

    public async ValueTask<TValue> GetAsync(TKey key, Func<TKey, Task<TValue>> load) => (await GetAsync([key], load))[0];

    /// <summary>All for one version, which is read once.</summary>
    public async ValueTask<ImmutableArray<TValue>> GetAsync(ImmutableArray<TKey> keys, Func<TKey, Task<TValue>> load)
    {
        // The version is read before the value: a value that is newer than its version is loaded once too often, never kept too long.
        var current = version.Read();
        var generation = Volatile.Read(ref _generation);
        if (generation.Version != current || generation.Values.Count >= Capacity)
        {
            generation = new Generation(current);
            Volatile.Write(ref _generation, generation);
        }
        var values = ImmutableArray.CreateBuilder<TValue>(keys.Length);
        foreach (var key in keys)
        {
            if (!generation.Values.TryGetValue(key, out var value))
                generation.Values[key] = value = await load(key);
            values.Add(value);
        }
        return values.MoveToImmutable();
    }

    private sealed record Generation(long Version)
    {
        public ConcurrentDictionary<TKey, TValue> Values { get; } = new();
    }
}
