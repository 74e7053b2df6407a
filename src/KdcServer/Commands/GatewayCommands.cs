using System.CommandLine;
using System.Text.Json;
using GatewaySecure.KdcCore;
using GatewaySecure.Settings;

namespace GatewaySecure.KdcServer.Commands;

/// <summary><c>kdc gateway</c>: how a gateway gets its key.</summary>
internal static class GatewayCommands
{
    public static Command Create()
    {
        var (config, state, json) = (CommonOptions.Config(), CommonOptions.State(), CommonOptions.AsJson());
        var who = new Argument<string>("WHO") { Description = "Id or name of the gateway." };
        var valid = new Option<string>("--valid") { Description = "How long: 30m, 1h, 2d.", DefaultValueFactory = _ => "1h" };
        var token = new Command("token", """
            Allows a gateway to fetch a new master key, once, and prints the token for it. The key goes to whoever shows the token and comes with
            the TLS client certificate on the gateway's record. The former key is void from then on.

            Example:
              kdc gateway token gateway.example.org --valid 30m
            """)
        { who, config, state, valid, json };
        token.SetAction((parsed, ct) => OperatorWork.DoAsync(parsed.GetValue(config)!, parsed.GetValue(state)!, async work =>
        {
            if (!ValueParsers.Duration(parsed.GetValue(valid)!, out var lifetime, out var problem))
                throw new FormatException($"--valid '{parsed.GetValue(valid)}' {problem}.");
            var gateway = await work.FindAsync(parsed.GetRequiredValue(who), ct);
            var text = await new GatewayEnrolment(work.Configuration.Realm, work.Keys.Ports, TimeProvider.System)
                .AllowAsync(gateway.Id, lifetime, OperatorWork.Actor, ct);
            Console.WriteLine(parsed.GetValue(json) ? JsonSerializer.Serialize(new { token = text }, CommonOptions.Json) : text);
            return ExitCode.Success;
        }, ct));
        return new Command("gateway", "Gateways that come to this KDC.") { token };
    }
}
