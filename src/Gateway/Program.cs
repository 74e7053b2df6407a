using System.CommandLine;
using GatewaySecure.Gateway.Commands;
using GatewaySecure.Gateway.Protection;

var root = new RootCommand("""
    GatewaySecure: a mail gateway that protects by domain rules, with S/MIME or with your own KDC.

    Examples:
      gateway run --config gateway.yaml --state /var/lib/gatewaysecure
      gateway policy check gateway.yaml
      gateway policy explain --config gateway.yaml --from alice@example.org --to bob@partner.example
      gateway route show partner.example --config gateway.yaml --state /var/lib/gatewaysecure
      gateway queue list --state /var/lib/gatewaysecure
    """)
{
    RunCommand.Create(),
    PolicyCommands.Create((configuration, state) => new ProtectionPreview(configuration, state, TimeProvider.System)),
    QueueCommands.Create(),
    RouteCommands.Create(),
    UserCommands.Create(),
    SmimeCommands.Create(),
    DkimCommands.Create(),
    CrlCommands.Create(),
    JobCommands.Create(),
    AuditCommands.Create(),
    KdcCommands.Create(),
};
// Longer than sessions and deliveries under way may take to end; the default of two seconds would cut them off.
return await root.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromMinutes(1) });
