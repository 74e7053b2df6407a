using GatewaySecure.Gateway.Queue;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Settings;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>Reads <c>queue</c>: how the queue works, and how much room its spool leaves.</summary>
internal static class QueueReader
{
    public static (QueueOptions Queue, SpoolOptions Spool) Read(ConfigurationSection top)
    {
        var (queue, spool) = (new QueueOptions(), new SpoolOptions());
        if (top.Section("queue", ConfigurationKeys.Queue) is not { } section)
            return (queue, spool);
        var retry = section.List<TimeSpan>("retry", ValueParsers.Duration);
        queue = queue with
        {
            Retry = retry.IsEmpty ? queue.Retry : retry,
            ExpireAfter = section.Optional<TimeSpan>("expire-after", ValueParsers.Duration, queue.ExpireAfter),
            DelayReportAfter = section.Optional<TimeSpan>("delay-report-after", ValueParsers.Duration, queue.DelayReportAfter),
            RetryHeldAfter = section.Optional<TimeSpan>("retry-held-after", ValueParsers.Duration, queue.RetryHeldAfter),
            Concurrency = section.Optional("concurrency", ValueParsers.Number(1, 1000), queue.Concurrency),
            BytesInFlight = section.Optional<long>("bytes-in-flight", ValueParsers.Size, queue.BytesInFlight),
        };
        spool = spool with
        {
            MinimumFreeSpace = section.Optional<long>("minimum-free-space", ValueParsers.Size, spool.MinimumFreeSpace),
            MemoryBudget = section.Optional<long>("bytes-in-memory", ValueParsers.Size, spool.MemoryBudget),
        };
        return (queue, spool);
    }
}
