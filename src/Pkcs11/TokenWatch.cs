using System.Runtime.CompilerServices;

namespace GatewaySecure.Pkcs11;

/// <summary>A token that came into a slot, or went out of it.</summary>
public sealed record TokenChange(TokenSlot Slot, bool Inserted);

/// <summary>Notices tokens that come and go, by looking: few modules can wait for events, and none can be interrupted while it does.</summary>
public static class TokenWatch
{
    /// <summary>First every token that is there as inserted, then each change, until cancelled.</summary>
    public static async IAsyncEnumerable<TokenChange> WatchAsync(
        this Pkcs11Module module, TimeSpan interval, TimeProvider time, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(module);
        using var timer = new PeriodicTimer(interval, time);
        var before = new Dictionary<(ulong, string), TokenSlot>();
        do
        {
            var now = module.Slots().Where(s => s.Token is { IsInitialized: true }).ToDictionary(s => (s.Id, s.Token!.Serial));
            foreach (var (key, slot) in before)
            {
                if (!now.ContainsKey(key))
                    yield return new TokenChange(slot, Inserted: false);
            }
            foreach (var (key, slot) in now)
            {
                if (!before.ContainsKey(key))
                    yield return new TokenChange(slot, Inserted: true);
            }
            before = now;
        }
        while (await timer.WaitForNextTickAsync(cancellationToken));
    }
}
