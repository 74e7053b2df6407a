namespace GatewaySecure.Gateway.Control;

/// <summary>Who asked for less protection takes that back; nobody can approve it any more.</summary>
internal sealed class Withdrawal(QueueParts parts, Operator by)
{
    /// <exception cref="ControlException">There is none, it is not his, or it is being approved.</exception>
    /// <exception cref="IOException">It could not be written, and still waits.</exception>
    public async IAsyncEnumerable<ControlReply> RunAsync(string? id)
    {
        var request = parts.Requests.Require(id);
        // What can't be told for certain is let through: it only keeps protection.
        if (by.IsCertainlyNot(request.By))
            throw new ControlException($"{request.By.Description} asked for this, and nobody else can withdraw it; you are {by.Description}. What is not approved expires.");
        using var claim = parts.Requests.Claim(request);
        await parts.AuditAsync(by, "lowering.withdraw", request.Id, $"asked by {request.By.Description}");
        try
        {
            parts.Requests.Withdraw(request);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            await QueueParts.TryAsync(() => parts.AuditAsync(by, "lowering.withdraw.failed", request.Id, e.Message).AsTask());
            throw new ControlException($"The request could not be removed, and still waits: {e.Message}");
        }
        yield return QueueControl.Done(
            request.Lowerings.Select(l => l.Mail).Distinct(StringComparer.Ordinal).Count(),
            request.Lowerings.Length,
            0,
            $"Request {request.Id} is withdrawn; {request.Lowerings.Length} recipients keep the protection they have.");
    }
}
