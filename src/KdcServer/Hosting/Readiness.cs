using System.Security.Cryptography;
using GatewaySecure.KdcCore;
using GatewaySecure.KdcServer.Http;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.KdcServer.Hosting;

/// <summary>
/// Does what a ticket needs, with a key that belongs to nobody: one vault operation and one read of the database. Anybody may ask, so one
/// answer serves all who ask within a second, and a vault that hangs is not asked twice at a time.
/// </summary>
internal sealed class Readiness(KdcPorts ports, TimeProvider time, ILogger log) : IDisposable
{
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly SemaphoreSlim _one = new(1, 1);
    private (long At, ReadyAnswer Answer)? _last;

    public async Task<ReadyAnswer> CheckAsync()
    {
        await _one.WaitAsync();
        try
        {
            if (_last is { } last && time.GetElapsedTime(last.At) < Fresh)
                return last.Answer;
            var problem = await ProblemAsync("The vault", ProbeVaultAsync) ?? await ProblemAsync("The database", ProbeDatabaseAsync);
            var answer = new ReadyAnswer(problem is null, ports.Vault.Description, ports.Vault.IsForTrials, problem);
            _last = (time.GetTimestamp(), answer);
            return answer;
        }
        finally
        {
            _one.Release();
        }
    }

    public void Dispose() => _one.Dispose();

    private async Task ProbeVaultAsync(CancellationToken cancellationToken)
    {
        // A new one each time: one that was used before may be ready in the vault's memory, or under a vault key that was replaced.
        var probe = await ports.Vault.GenerateAsync(new MasterKeyName(default, 1), cancellationToken);
        CryptographicOperations.ZeroMemory(await ports.Vault.DecryptBlocksAsync(probe, new byte[32], cancellationToken));
    }

    private async Task ProbeDatabaseAsync(CancellationToken cancellationToken) =>
        await ports.Issues.HoldsAsync(IssueRecord.Of(DateTimeOffset.UnixEpoch, []), cancellationToken);

    private async Task<string?> ProblemAsync(string part, Func<CancellationToken, Task> probe)
    {
        using var patience = new CancellationTokenSource(Patience);
        try
        {
            await probe(patience.Token).WaitAsync(patience.Token);
            return null;
        }
#pragma warning disable CA1031 // Whatever keeps a part from answering is what this is to find out.
        catch (Exception e)
#pragma warning restore CA1031
        {
            log.NotReady($"{part} does not answer: {e.Message}");
            return $"{part} does not answer.";
        }
    }
}
