using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.MailRouting.MtaSts;

/// <summary>A policy as it was fetched.</summary>
/// <param name="Id">Of the TXT record that announced it (RFC 8461 §3.1).</param>
internal sealed record StoredPolicy(string Domain, string Id, DateTimeOffset FetchedAt, StsPolicy Policy)
{
    public DateTimeOffset Until => FetchedAt + Policy.MaxAge;
}

/// <summary>
/// The policies in force, in memory and as one file each, so that a restart forgets none: what was once promised holds until max_age, whatever
/// becomes of the network (RFC 8461 §5.1). Bounded; the one that ends first makes room. Thread-safe.
/// </summary>
public sealed class StsStore
{
    private const int MostPolicies = 20_000;

    private readonly ConcurrentDictionary<string, StoredPolicy> _policies = new();
    private readonly string _directory;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly bool _readOnly;

    /// <summary>Reads what is there; a file that is damaged is left out and told of.</summary>
    /// <param name="readOnly">Nothing is written: for who only wants to look.</param>
    public StsStore(string directory, TimeProvider time, ILogger log, bool readOnly = false)
    {
        (_directory, _time, _log, _readOnly) = (directory, time, log, readOnly);
        if (!readOnly)
            Directory.CreateDirectory(directory);
        else if (!Directory.Exists(directory))
            return;
        foreach (var file in Directory.EnumerateFiles(directory, "*.json"))
        {
            if (Read(file) is { } policy)
                _policies[policy.Domain] = policy;
            else
                log.DamagedPolicyFile(file);
        }
    }

    internal IReadOnlyCollection<StoredPolicy> All => [.. _policies.Values];

    /// <summary>Null where none is in force.</summary>
    internal StoredPolicy? Get(string domain)
    {
        if (!_policies.TryGetValue(domain, out var policy))
            return null;
        if (policy.Until > _time.GetUtcNow())
            return policy;
        Remove(policy);
        return null;
    }

    internal void Put(StoredPolicy policy)
    {
        while (_policies.Count >= MostPolicies && !_policies.ContainsKey(policy.Domain) && _policies.Values.MinBy(p => p.Until) is { } first)
            Remove(first);
        _policies[policy.Domain] = policy;
        if (_readOnly)
            return;
        try
        {
            AtomicFile.Write(FileOf(policy.Domain), JsonSerializer.SerializeToUtf8Bytes(
                new StoredText(policy.Domain, policy.Id, policy.FetchedAt, string.Join('\n', policy.Policy.Lines()))));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _log.PolicyNotStored(policy.Domain, e.Message);
        }
    }

    private void Remove(StoredPolicy policy)
    {
        if (!_policies.TryRemove(KeyValuePair.Create(policy.Domain, policy)) || _readOnly)
            return;
        try
        {
            File.Delete(FileOf(policy.Domain));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It has ended: whoever reads the file finds that out by its dates.
            _log.PolicyNotStored(policy.Domain, e.Message);
        }
    }

    /// <summary>By a hash: a domain may be longer than a file's name can be.</summary>
    private string FileOf(string domain) =>
        Path.Combine(_directory, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(domain)).AsSpan(0, 16)) + ".json");

    private static StoredPolicy? Read(string file)
    {
        try
        {
            var text = JsonSerializer.Deserialize<StoredText>(File.ReadAllBytes(file));
            return text is { Domain: not null, Id: not null, Policy: not null } && StsPolicy.TryParse(text.Policy, out var policy, out _)
                ? new StoredPolicy(text.Domain, text.Id, text.FetchedAt, policy)
                : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }

    private sealed record StoredText(string Domain, string Id, DateTimeOffset FetchedAt, string Policy);
}
