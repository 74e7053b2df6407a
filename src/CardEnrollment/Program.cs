using System.CommandLine;
using GatewaySecure.CardEnrollment.Commands;

var root = new RootCommand("""
    cardstation: the operator's station, which issues GatewaySecure cards over a session with the KDC server.

    Once:
      cardstation init --server https://kdc.example.org:8440 --realm example.org --trust kdc.pem
      cardstation operator-card --name "Olga Operator" --certificate-out olga.pem
    Then:
      cardstation issue --address bob@example.org --name "Bob Example" --letter bob.letter

    Exit status: 0 done, 1 failed with the reason, 2 usage, 3 the operator's session ended: the same command goes on.
    """);
foreach (var command in SetupCommands.Create().Concat(IssueCommands.Create()).Concat(LifeCommands.Create()))
    root.Subcommands.Add(command);
root.Subcommands.Add(RecoverCommands.Create());
root.Subcommands.Add(BatchCommand.Create());
root.Subcommands.Add(TrialCommands.Create());
root.Subcommands.Add(VirtualCardCommands.Create());
var parsed = root.Parse(args);
// Longer than the step that a card is in: cut off by Ctrl-C, it would be done again.
var status = await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromMinutes(2) });
return parsed.Errors.Count > 0 ? ExitStatus.Usage : status;
