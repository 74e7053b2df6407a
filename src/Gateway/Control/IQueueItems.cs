using GatewaySecure.Gateway.Spool;

namespace GatewaySecure.Gateway.Control;

/// <summary>The mails of a queue, running or not, for a person's commands.</summary>
internal interface IQueueItems
{
    /// <summary>Oldest first; given one by one, so that a long queue is not held in memory for it.</summary>
    IEnumerable<SpooledMail> All();

    /// <summary>Null where there is none, or none any more.</summary>
    SpooledMail? Find(QueueId id);

    /// <summary>
    /// Nobody else works on the mail from here on, until it is given back; then it is scheduled by what its journal says, or forgotten
    /// where it was removed.
    /// </summary>
    /// <returns>Null where it is being delivered and that does not end soon, or it is done.</returns>
    ValueTask<IOwnedItem?> OwnAsync(SpooledMail item, CancellationToken cancellationToken);
}

/// <summary>A mail that nobody else works on; disposal gives it back.</summary>
internal interface IOwnedItem : IAsyncDisposable
{
    SpooledMail Item { get; }
}
