using System.CommandLine;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.CardEnrollment.Commands;

/// <summary><c>cardstation virtual-card</c>: cards in software, for trials.</summary>
internal static class VirtualCardCommands
{
    public static Command Create()
    {
        var port = new Option<int>("--port") { Description = "vpcd's port.", DefaultValueFactory = _ => VpcdClient.DefaultPort };
        var file = new Argument<string>("FILE") { Description = "File of the virtual card." };
        var kind = new Option<string>("--kind") { Description = "Which card: openpgp or piv.", DefaultValueFactory = _ => "openpgp" };
        kind.AcceptOnlyFromAmong("openpgp", "piv");
        var create = new Command("create", "Makes a virtual card, for trials.") { file, kind };
        create.SetAction((parse, _) => Guard.RunAsync(() =>
        {
            var path = parse.GetRequiredValue(file);
            using IVirtualCard card = parse.GetValue(kind) == "piv" ? VirtualPivCard.Create(path) : VirtualOpenPgpCard.Create(path);
            var codes = card is VirtualPivCard
                ? $"PIN {VirtualPivCard.DefaultUserPin}, PUK {VirtualPivCard.DefaultUnblockingPin}, management key {VirtualPivCard.DefaultManagementKey}"
                : $"PINs: {VirtualOpenPgpCard.DefaultUserPin}, {VirtualOpenPgpCard.DefaultAdminPin}";
            Console.WriteLine($"Virtual card {card.Serial} FOR TRIALS. {codes}");
            return Task.FromResult(ExitStatus.Done);
        }));
        var plug = new Command("plug", "Plugs a virtual card into a running vpcd reader, until Ctrl-C.") { file, port };
        plug.SetAction((parse, cancellationToken) => Guard.RunAsync(async () =>
        {
            using var card = VirtualCards.Open(parse.GetRequiredValue(file));
            await VpcdClient.RunAsync(card, parse.GetValue(port), () => Console.WriteLine($"Card {card.Serial} is in the reader. Ctrl-C removes it."), cancellationToken);
            return ExitStatus.Done;
        }));
        return new Command("virtual-card", "Virtual cards, for trials.") { create, plug };
    }
}
