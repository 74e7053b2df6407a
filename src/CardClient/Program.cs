using System.CommandLine;
using GatewaySecure.CardClient;

var root = new RootCommand("cardmail: opens protected mail with your card, and looks after its PIN.")
{
    OpenCommand.Make(), StatusCommand.Make(), PinCommand.Make(),
};
var parsed = root.Parse(args);
var exit = await parsed.InvokeAsync();
return parsed.Errors.Count > 0 ? (int)OpeningStatus.Usage : exit;
