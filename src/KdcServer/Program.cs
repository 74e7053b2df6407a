using System.CommandLine;
using GatewaySecure.KdcServer.Commands;

var root = new RootCommand("""
    GatewaySecure's KDC: issues tickets for KDC mail, keeps principals and their keys, writes the audit chain.

    Examples:
      kdc run --config kdc.yaml --state /var/lib/gatewaysecure-kdc
      kdc config check kdc.yaml
      kdc principal add --kind gateway --name gateway.example.org --domain example.org --certificate gateway.pem
      kdc gateway token gateway.example.org
    """)
{
    RunCommand.Create(),
    RunCommand.CreateConfig(),
    StatusCommand.Create(),
    PrincipalCommands.Create(),
    GatewayCommands.Create(),
    AuditCommands.Create(),
    CaCommands.Create(),
    CardCommands.Create(),
    VaultCommands.Create(),
};
// Longer than requests under way may take to end; the default of two seconds would cut them off.
return await root.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromMinutes(1) });
