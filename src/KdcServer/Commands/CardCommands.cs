using System.Collections.Immutable;
using System.CommandLine;
using System.Text.Json;
using GatewaySecure.KdcCore;

namespace GatewaySecure.KdcServer.Commands;

/// <summary><c>kdc card</c>: what is on record of cards. They are issued and changed at a station, under an operator's card.</summary>
internal static class CardCommands
{
    public static Command Create() => new("card", "Cards, as they are on record.") { List(), Show() };

    private static Command List()
    {
        var (config, state, json) = (CommonOptions.Config(), CommonOptions.State(), CommonOptions.AsJson());
        var standing = new Option<CardStanding[]>("--standing") { Description = "Only these: issuing, active, suspended, replaced, revoked, expired.", AllowMultipleArgumentsPerToken = true };
        var of = new Option<string?>("--of") { Description = "Only those of one holder: id, mail address or name." };
        var command = new Command("list", """
            Every issuing of every card, or some.

            Examples:
              kdc card list --standing issuing suspended
              kdc card list --of bob@example.org --json
            """)
        { standing, of, config, state, json };
        command.SetAction((parsed, ct) => OperatorWork.DoAsync(parsed.GetValue(config)!, parsed.GetValue(state)!, async work =>
        {
            var wanted = parsed.GetValue(standing) is { Length: > 0 } some ? some : Enum.GetValues<CardStanding>();
            var found = ImmutableArray.CreateBuilder<CardRecord>();
            if (parsed.GetValue(of) is { } who)
                found.AddRange((await work.Keys.Database.Cards.OfHolderAsync((await work.FindAsync(who, ct)).Id, ct)).Where(c => wanted.Contains(c.Standing)));
            else
            {
                foreach (var one in wanted)
                    found.AddRange(await work.Keys.Database.Cards.InStandingAsync(one, ct));
            }
            var views = found.Select(CardLine.Of).ToList();
            if (parsed.GetValue(json))
                Console.WriteLine(JsonSerializer.Serialize(views, CommonOptions.Json));
            else
                views.ForEach(v => Console.WriteLine($"{v.Id}  {v.Standing,-9} {v.Step,-16} {v.Kind,-8} {v.Serial,-24} kvno {v.Kvno,-3} {v.Holder}"));
            return ExitCode.Success;
        }, ct));
        return command;
    }

    private static Command Show()
    {
        var (config, state, json) = (CommonOptions.Config(), CommonOptions.State(), CommonOptions.AsJson());
        var id = new Argument<string>("CARD") { Description = "Id of an issuing; 'kdc card list' shows them." };
        var command = new Command("show", """
            One issuing of a card, with its keys and its receipt.

            Example:
              kdc card show 3f0c…
            """)
        { id, config, state, json };
        command.SetAction((parsed, ct) => OperatorWork.DoAsync(parsed.GetValue(config)!, parsed.GetValue(state)!, async work =>
        {
            var card = CardId.TryParse(parsed.GetRequiredValue(id), out var wanted) ? await work.Keys.Database.Cards.FindAsync(wanted, ct) : null;
            if (card is null)
                throw new AdministrationException($"There is no card '{parsed.GetRequiredValue(id)}'; 'kdc card list' shows them.");
            var view = CardLine.Of(card);
            if (parsed.GetValue(json))
            {
                Console.WriteLine(JsonSerializer.Serialize(view, CommonOptions.Json));
                return ExitCode.Success;
            }
            Console.WriteLine($"""
                id        {view.Id}
                card      {view.Kind} {view.Serial}, issuing {view.Generation}
                holder    {view.Holder} ({view.Principal})
                standing  {view.Standing} since {view.Since:u}{(view.Reason is null ? "" : $" ({view.Reason})")}
                step      {view.Step}
                key       {(view.Kvno == 0 ? "none yet" : $"version {view.Kvno}")}{(view.Until is { } until ? $"\nuntil     {until:u}" : "")}
                escrow    {(view.Escrowed ? "the encryption key is in escrow" : "no")}
                """);
            foreach (var (use, certificate) in view.Certificates)
                Console.WriteLine($"{use,-13} certificate {certificate}");
            if (view.Receipt is { } receipt)
                Console.WriteLine($"\n{receipt}");
            return ExitCode.Success;
        }, ct));
        return command;
    }

    /// <summary>A card as the commands show it.</summary>
    private sealed record CardLine(
        string Id, string Kind, string Serial, int Generation, string Principal, string Holder, string Standing, string Step, DateTimeOffset Since, string? Reason,
        DateTimeOffset? Until, int Kvno, bool Escrowed, ImmutableSortedDictionary<string, string> Certificates, string? Receipt)
    {
        public static CardLine Of(CardRecord c) => new(
            c.Id.ToString(), c.Order.Model.ToString(), c.Order.Serial, c.Generation, c.Holder.ToString(), c.Order.Address.ToString(), c.Standing.ToString().ToLowerInvariant(), c.Step.ToString(), c.Since,
            c.Reason, c.Order.Until, c.Kvno, !c.EscrowId.IsEmpty,
            c.Keys.Where(k => k.Certificate is not null).ToImmutableSortedDictionary(k => k.Use.ToString(), k => k.Certificate!), c.Receipt?.Text);
    }
}
