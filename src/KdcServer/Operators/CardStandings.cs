using GatewaySecure.KdcCore;
using GatewaySecure.KdcTransport.Operator;

namespace GatewaySecure.KdcServer.Operators;

/// <summary>How issued cards stand: suspended and back, revoked, given up, expired; and the codes that unblock one.</summary>
internal sealed class CardStandings(CardWork work)
{
    public Task<CardView> SuspendAsync(OperatorSession by, string id, string reason, CancellationToken cancellationToken) => ChangeAsync(
        by.Actor, id, "card.suspend", reason, [CardStanding.Active], CardStanding.Suspended,
        (card, holder) => holder.Kvno == card.Kvno ? holder with { CardHold = $"The card is suspended since {work.Now:yyyy-MM-dd} ({reason})." } : null, cancellationToken);

    public Task<CardView> ResumeAsync(OperatorSession by, string id, string reason, CancellationToken cancellationToken) => ChangeAsync(
        by.Actor, id, "card.resume", reason, [CardStanding.Suspended], CardStanding.Active,
        (card, holder) => holder.Kvno == card.Kvno ? holder with { CardHold = null } : null, cancellationToken);

    /// <summary>For ever. Nobody asks by its key any more; mail to its holder goes on, for the next card.</summary>
    public Task<CardView> RevokeAsync(OperatorSession by, string id, string reason, CancellationToken cancellationToken) =>
        EndAsync(by.Actor, id, "card.revoke", reason, [CardStanding.Active, CardStanding.Suspended], CardStanding.Revoked, cancellationToken);

    /// <summary>Of a card that is still being issued.</summary>
    public Task<CardView> AbandonAsync(OperatorSession by, string id, string reason, CancellationToken cancellationToken) =>
        EndAsync(by.Actor, id, "card.abandon", reason, [CardStanding.Issuing], CardStanding.Revoked, cancellationToken);

    public async Task<CardCodesView> UnblockAsync(OperatorSession by, string id, string reason, CancellationToken cancellationToken)
    {
        DemandReason(reason);
        var card = await work.GetAsync(id, cancellationToken);
        if (card.Standing is not (CardStanding.Active or CardStanding.Suspended))
            throw Wrong(card);
        await work.AuditAsync(by.Actor, "card.unblock", card, reason, cancellationToken);
        return work.CodesOf(card);
    }

    /// <summary>Ends temporary cards whose time is over, and finishes what an earlier end left undone.</summary>
    public async Task ExpireAsync(CancellationToken cancellationToken)
    {
        foreach (var standing in new[] { CardStanding.Active, CardStanding.Suspended })
        {
            foreach (var card in await work.Cards.InStandingAsync(standing, cancellationToken))
            {
                if (card.Order.Until <= work.Now)
                    await EndAsync("kdc", card.Id.ToString(), "card.expire", "its time is over", [standing], CardStanding.Expired, cancellationToken);
            }
        }
        foreach (var ended in new[] { CardStanding.Replaced, CardStanding.Revoked, CardStanding.Expired })
        {
            foreach (var card in await work.Cards.InStandingAsync(ended, cancellationToken))
                await work.FollowAsync("kdc", card, cancellationToken);
        }
    }

    private async Task<CardView> EndAsync(
        string actor, string id, string action, string reason, CardStanding[] from, CardStanding to, CancellationToken cancellationToken)
    {
        DemandReason(reason);
        var card = await work.GetAsync(id, cancellationToken);
        if (card.Standing != to)
        {
            if (!from.Contains(card.Standing))
                throw Wrong(card);
            var outdated = await work.OutdateAsync(card, cancellationToken);
            card = await work.SaveAsync(actor, action, card with { Standing = to, Since = work.Now, Reason = reason }, reason, cancellationToken, outdated);
        }
        await work.FollowAsync(actor, card, cancellationToken);
        return await work.ShowAsync(card, cancellationToken);
    }

    private async Task<CardView> ChangeAsync(
        string actor, string id, string action, string reason, CardStanding[] from, CardStanding to, Func<CardRecord, Principal, Principal?> holding, CancellationToken cancellationToken)
    {
        DemandReason(reason);
        var card = await work.GetAsync(id, cancellationToken);
        if (card.Standing != to)
        {
            if (!from.Contains(card.Standing))
                throw Wrong(card);
            var saved = holding(card, await work.HolderAsync(card, cancellationToken));
            card = await work.SaveAsync(
                actor, action, card with { Standing = to, Since = work.Now, Reason = reason }, reason, cancellationToken, entry => entry with { Saved = saved });
        }
        await work.FollowAsync(actor, card, cancellationToken);
        return await work.ShowAsync(card, cancellationToken);
    }

    private static void DemandReason(string reason)
    {
        if (string.IsNullOrWhiteSpace(reason) || reason.Length > 500 || reason.Any(char.IsControl))
            throw new AdministrationException("A reason is needed, of at most 500 characters in one line.");
    }

    private static AdministrationException Wrong(CardRecord card) =>
        new($"Card {card.Order.Serial} is {card.Standing.ToString().ToLowerInvariant()} since {card.Since:yyyy-MM-dd}{(card.Reason is { } why ? $" ({why})" : "")}.");
}
