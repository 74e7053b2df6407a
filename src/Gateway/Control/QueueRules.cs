using System.Collections.Immutable;
using GatewaySecure.Gateway.Receiving;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Policies;

namespace GatewaySecure.Gateway.Control;

/// <summary>The rules in force, asked again about a mail that was accepted before.</summary>
internal sealed class QueueRules(ReceivingSettings settings)
{
    private readonly RecipientGate _gate = new(settings);
    private readonly PolicySnapshot _withoutHolds = settings.Policy.WithoutHolds();
    private readonly bool _needsContent = settings.Policy.Rules.Any(r => r.NeedsContent);

    public string Version => settings.Policy.Version;

    /// <exception cref="IOException">The mail's header can't be read.</exception>
    /// <exception cref="InvalidDataException">It was altered on the disk.</exception>
    public ImmutableArray<HeaderFact> HeadersOf(SpooledMail item)
    {
        if (!_needsContent)
            return [];
        using var content = item.Content.OpenRead();
        var headers = HeaderFacts.ReadFrom(content);
        // On top stands our own trace field, which was not there when the mail was decided first.
        return headers is [{ Name: "Received" }, ..] ? headers.RemoveAt(0) : headers;
    }

    public Decision Decide(SpooledMail item, int index, ImmutableArray<HeaderFact> headers) => Decide(item, index, headers, settings.Policy);

    /// <summary>What is demanded of a mail at the least where a person lets it go that a rule holds.</summary>
    public Decision DecideWithoutHolds(SpooledMail item, int index) => Decide(item, index, HeadersOf(item), _withoutHolds);

    private Decision Decide(SpooledMail item, int index, ImmutableArray<HeaderFact> headers, PolicySnapshot policy) =>
        _gate.Decide(
            item.Mail.Session.FromInside,
            item.Mail.Envelope.Sender,
            item.Mail.Envelope.Recipients[index].Address,
            new ContentFacts(headers, item.Mail.Kind, item.Mail.Authentication),
            policy);
}
