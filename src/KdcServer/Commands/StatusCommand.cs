using System.CommandLine;
using System.Text.Json;
using GatewaySecure.KdcCore;

namespace GatewaySecure.KdcServer.Commands;

/// <summary><c>kdc status</c>: what holds the keys, who is there, how far the audit is.</summary>
internal static class StatusCommand
{
    public static Command Create()
    {
        var (config, state, json) = (CommonOptions.Config(), CommonOptions.State(), CommonOptions.AsJson());
        var command = new Command("status", """
            Opens vault and database and says how things stand. Exit status 1 where one of them does not open.

            Example:
              kdc status --config kdc.yaml --state /var/lib/gatewaysecure-kdc --json
            """)
        { config, state, json };
        command.SetAction((parsed, ct) => OperatorWork.DoAsync(parsed.GetValue(config)!, parsed.GetValue(state)!, async work =>
        {
            var now = TimeProvider.System.GetUtcNow();
            var principals = (await work.Administration.ListAsync(ct)).Where(p => p.DeletedAt is null).Select(p => PrincipalView.Of(p, now)).ToList();
            var head = await work.Keys.Database.Audit.HeadAsync(ct);
            var view = new StatusView(
                work.Configuration.Realm.Name,
                work.Keys.Vault.Description,
                work.Keys.Vault.IsForTrials,
                Count(principals, PrincipalKind.User),
                Count(principals, PrincipalKind.Gateway),
                Count(principals, PrincipalKind.Operator),
                principals.Count(p => p.Status != "active"),
                head.Sequence,
                head.Hash);
            Console.WriteLine(parsed.GetValue(json) ? JsonSerializer.Serialize(view, CommonOptions.Json) : view.ToText());
            return ExitCode.Success;
        }, ct));
        return command;

        static int Count(List<PrincipalView> principals, PrincipalKind kind) => principals.Count(p => p.Kind == kind);
    }

    /// <summary>How a KDC stands.</summary>
    /// <param name="NotActive">Of all kinds: planned, suspended, expired or revoked.</param>
    private sealed record StatusView(
        string Realm, string Vault, bool ForTrials, int Users, int Gateways, int Operators, int NotActive, long AuditLines, string AuditHead)
    {
        public string ToText() => $"""
            realm       {Realm}
            keys        {Vault}
            principals  {Users} users, {Gateways} gateways, {Operators} operators; {NotActive} of them not active
            audit       {AuditLines} lines, head {AuditHead}
            """;
    }
}
