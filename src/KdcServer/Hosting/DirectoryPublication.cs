using System.DirectoryServices.Protocols;
using System.Security.Cryptography;
using GatewaySecure.KdcCore;
using GatewaySecure.KdcServer.Configuration;
using GatewaySecure.Storage;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.KdcServer.Hosting;

/// <summary>
/// Brings users' encryption certificates to the organisation's directory (<c>userCertificate;binary</c>, RFC 4523 §4.1), where senders look: for each
/// entry with one of the holder's addresses, exactly his good ones. A directory that is away holds up nothing and is tried again; at a start
/// everything is brought anew.
/// </summary>
internal sealed class DirectoryPublication(LdapPublication target, GatewayDatabase directory, TimeProvider time, ILogger log) : IAsyncDisposable
{
    private const string Attribute = "userCertificate;binary";

    private static readonly TimeSpan Every = TimeSpan.FromSeconds(30);

    private readonly CancellationTokenSource _stop = new();
    private readonly Dictionary<PrincipalId, string> _published = [];
    private Task _runs = Task.CompletedTask;

    public void Start() => _runs = RunAsync();

    /// <returns>How many entries were changed.</returns>
    /// <exception cref="DirectoryException">The directory can't be reached, or refuses.</exception>
    /// <exception cref="IOException">Its password can't be read.</exception>
    public async Task<int> PublishAsync(CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var holders = (await directory.Certificates.ListAsync(cancellationToken))
            .Where(c => c is { Use: CertificateUse.MailEncryption, Holder: not null })
            .GroupBy(c => c.Holder!.Value)
            .Select(g => (Holder: g.Key, Good: g.Where(c => c.RevokedAt is null && c.NotAfter > now).Select(c => c.Der.ToArray()).ToList()))
            .Select(h => (h.Holder, h.Good, State: Convert.ToHexString(SHA256.HashData([.. h.Good.SelectMany(d => d)]))))
            .Where(h => _published.GetValueOrDefault(h.Holder) != h.State)
            .ToList();
        if (holders.Count == 0)
            return 0;
        using var connection = LdapDirectory.Connect(target.Url, target.BindDn, target.PasswordFile is { } file ? (await File.ReadAllTextAsync(file, cancellationToken)).TrimEnd('\r', '\n') : null);
        var changed = 0;
        foreach (var (holder, good, state) in holders)
        {
            var principal = await directory.Principals.FindAsync(holder, cancellationToken);
            foreach (var address in principal?.Addresses.Where(a => a.IsHeldAt(now)).Select(a => a.Address.ToString()) ?? [])
            {
                foreach (var entry in Find(connection, address))
                {
                    Replace(connection, entry, good);
                    changed++;
                }
            }
            _published[holder] = state;
        }
        return changed;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _runs;
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        using var timer = new PeriodicTimer(Every, time);
        try
        {
            do
            {
                try
                {
                    if (await PublishAsync(_stop.Token) is > 0 and var changed)
                        log.Published(changed, target.Url);
                }
                catch (Exception e) when (e is DirectoryException or DllNotFoundException or IOException or UnauthorizedAccessException)
                {
                    log.NotPublished(target.Url, e.Message);
                }
            }
            while (await timer.WaitForNextTickAsync(_stop.Token));
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The server stops.
        }
    }

    private List<string> Find(LdapConnection connection, string address)
    {
        var request = new SearchRequest(target.Base, $"({target.AddressAttribute}={Escape(address)})", SearchScope.Subtree, "1.1");
        return [.. ((SearchResponse)connection.SendRequest(request, LdapDirectory.Patience)).Entries.Cast<SearchResultEntry>().Select(e => e.DistinguishedName)];
    }

    private static void Replace(LdapConnection connection, string entry, List<byte[]> certificates)
    {
        var modification = new DirectoryAttributeModification { Name = Attribute, Operation = DirectoryAttributeOperation.Replace };
        foreach (var certificate in certificates)
            modification.Add(certificate);
        connection.SendRequest(new ModifyRequest(entry, modification), LdapDirectory.Patience);
    }

    /// <summary>RFC 4515 §3.</summary>
    private static string Escape(string text) =>
        string.Concat(System.Text.Encoding.UTF8.GetBytes(text).Select(b => b is (byte)'*' or (byte)'(' or (byte)')' or (byte)'\\' or 0 or > 127 ? $"\\{b:x2}" : ((char)b).ToString()));
}
