using GatewaySecure.Gateway.Spool;

namespace GatewaySecure.Gateway.Control;

/// <summary>The spool of a gateway that does not run, whose state directory the caller owns: nobody else works on anything.</summary>
internal sealed class StoppedQueue(MailSpool spool, Action<string, string> unreadable) : IQueueItems
{
    public IEnumerable<SpooledMail> All() => spool.Stream(unreadable);

    public SpooledMail? Find(QueueId id) => spool.Find(id);

    public ValueTask<IOwnedItem?> OwnAsync(SpooledMail item, CancellationToken cancellationToken) =>
        ValueTask.FromResult<IOwnedItem?>(new Owned(item));

    private sealed record Owned(SpooledMail Item) : IOwnedItem
    {
        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}

/// <summary>The spool for looking, while nobody answers for it.</summary>
internal sealed class ViewedQueue(string directory, ISpoolKey key, Action<string, string> unreadable) : IQueueItems
{
    public IEnumerable<SpooledMail> All() => MailSpool.StreamView(directory, key, unreadable);

    public SpooledMail? Find(QueueId id) => MailSpool.FindView(directory, key, id);

    public ValueTask<IOwnedItem?> OwnAsync(SpooledMail item, CancellationToken cancellationToken) => ValueTask.FromResult<IOwnedItem?>(null);
}
