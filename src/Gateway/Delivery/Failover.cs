using System.Collections.Immutable;
using GatewaySecure.MailProtection;
using GatewaySecure.Smtp;
using GatewaySecure.Smtp.Client;

namespace GatewaySecure.Gateway.Delivery;

/// <summary>
/// One attempt over hosts in their order (RFC 5321 §5.1; docs/delivery.md): who fails before he can have taken the mail, or puts recipients off, leaves
/// them to the next one. Who failed is passed over while he rests, unless all do.
/// </summary>
internal static class Failover
{
    /// <summary>In one attempt; RFC 5321 §5.1 asks for two at least. The mail comes again.</summary>
    private const int MostHostsTried = 5;

    /// <param name="hosts">One at least.</param>
    /// <exception cref="DeliveryException">No host took anything or gave an answer; or one may have taken it all.</exception>
    public static async ValueTask<ImmutableArray<RecipientResult>> DeliverAsync(
        IReadOnlyCollection<SmtpDeliveryAgent> hosts, Envelope envelope, SendableMessage message, CancellationToken cancellationToken)
    {
        var results = new RecipientResult?[envelope.Recipients.Length];
        var failures = new List<DeliveryException>();
        var tried = 0;
        foreach (var host in hosts)
        {
            if (tried == MostHostsTried)
                break;
            if (!host.Rest.TryBegin())
                continue;
            tried++;
            if (await TryAsync(host, envelope, message, results, failures, cancellationToken))
                return [.. results!];
        }
        // All of them rest: that is the lane's matter, which lets a mail go there seldom enough.
        foreach (var host in tried == 0 ? hosts.Take(MostHostsTried) : [])
        {
            if (await TryAsync(host, envelope, message, results, failures, cancellationToken))
                return [.. results!];
        }
        // Somebody answered for everybody, though not well for all.
        return results.All(r => r is not null)
            ? [.. results!]
            : throw new DeliveryException(string.Join("; ", failures.Select(f => f.Message)), failures[^1]) { WasReached = failures.Exists(f => f.WasReached) };
    }

    /// <returns>Nothing is left to be done by another host.</returns>
    private static async ValueTask<bool> TryAsync(
        SmtpDeliveryAgent host,
        Envelope envelope,
        SendableMessage message,
        RecipientResult?[] results,
        List<DeliveryException> failures,
        CancellationToken cancellationToken)
    {
        var open = Enumerable.Range(0, results.Length).Where(i => results[i] is null or { Reply.IsTransient: true }).ToArray();
        try
        {
            var answers = await host.DeliverAsync(
                envelope with { Recipients = [.. open.Select(i => envelope.Recipients[i])] }, message, cancellationToken);
            // 421 is about the host (RFC 5321 §3.8).
            if (answers.Any(a => a.Reply.Code == 421))
                host.Rest.Failed();
            else
                host.Rest.Succeeded();
            foreach (var (index, answer) in open.Zip(answers))
                results[index] = answer;
            return answers.All(a => !a.Reply.IsTransient);
        }
        catch (DeliveryException e)
        {
            // That a session broke in the middle of a mail may be the mail's fault.
            if (e.WasReached)
                host.Rest.Unknown();
            else
                host.Rest.Failed();
            failures.Add(e);
            if (!e.MayHaveBeenTaken)
                return false;
            if (results.All(r => r is null))
                throw;
            // What was answered for the others stays known.
            foreach (var index in open)
                results[index] = new RecipientResult(envelope.Recipients[index], new SmtpReply(451, "4.4.2", e.Message), DsnRelayed: false);
            return true;
        }
        catch
        {
            host.Rest.Unknown();
            throw;
        }
    }
}
