using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Configuration;
using GatewaySecure.Gateway.Hosting;
using GatewaySecure.MailRouting;
using GatewaySecure.Smtp.Client;
using Microsoft.Extensions.Logging.Abstractions;

namespace GatewaySecure.Gateway.Commands;

/// <summary><c>gateway route</c>: explains where mail for a domain would go and under which TLS, by the code of the mail path. Changes nothing.</summary>
internal static class RouteCommands
{
    public static Command Create() => new("route", "Explains where mail goes from here.") { Show() };

    private static Command Show()
    {
        var domain = new Argument<string>("DOMAIN") { Description = "A recipient's domain, or a whole address." };
        var config = CommonOptions.Config();
        var state = CommonOptions.State();
        var json = CommonOptions.AsJson();
        var show = new Command("show", """
            Says where mail for a domain would go now, under which TLS, and why: next hop, MX, DANE, MTA-STS.
            Exit status 0: it would go; 1: it would wait or be refused.

            Example:
              gateway route show partner.example --state /var/lib/gatewaysecure
            """)
        { domain, config, state, json };
        show.SetAction(async (parsed, cancellationToken) =>
        {
            if (CommonOptions.Load(parsed.GetValue(config)!) is not { } configuration)
                return ExitCode.Problem;
            var text = parsed.GetValue(domain)!;
            if (!MailAddress.TryParse(text.Contains('@', StringComparison.Ordinal) ? text : $"postmaster@{text}", out var recipient))
            {
                await Console.Error.WriteLineAsync($"'{text}' is neither a domain nor a mail address.");
                return ExitCode.Problem;
            }
            var answer = await AnswerAsync(configuration, StateDirectory.At(parsed.GetValue(state)!), recipient, cancellationToken);
            if (parsed.GetValue(json))
                Console.WriteLine(JsonSerializer.Serialize(answer, CommonOptions.Json));
            else
                Print(answer);
            return answer.Outcome == "goes" ? ExitCode.Success : ExitCode.Problem;
        });
        return show;
    }

    private static async Task<Answer> AnswerAsync(
        GatewayConfiguration configuration, StateDirectory state, MailAddress recipient, CancellationToken cancellationToken)
    {
        var route = configuration.Routes.FirstOrDefault(r => r.Recipients.Any(p => p.Matches(recipient)));
        var hop = configuration.NextHops.Single(h => h.Name == (route?.NextHop ?? configuration.DefaultNextHop));
        if (route is { RequireTls: true })
            hop = hop.UnderTls();
        var why = route is null ? "no route matches, so the default next hop" : "by the first route that matches";
        var answer = new Answer(recipient.Domain.Ascii, hop.Name, why, "goes", null, [], []) { ClientCertificate = hop.ClientCertificate?.TargetCertificate.Subject };
        if (hop.Directory is not null)
            return answer with { Reason = $"into the folder {hop.Directory}" };
        if (hop.Smtp is { } smtp)
            return answer with { Hosts = [.. smtp.Hosts.Select((h, order) => new Host(h.ToString(), order + 1, [], Explain(smtp, h)))] };

        await using var routing = new RoutingServices(configuration, state, TimeProvider.System, NullLogger.Instance, readOnly: true);
        return await routing.Router(hop.Mx!.RequireTls).RouteAsync(recipient.Domain, cancellationToken) switch
        {
            RouteFound found => answer with { Hosts = [.. found.Hosts.Select(ToHost)], LeftOut = ToLeftOut(found.LeftOut) },
            RouteRefused refused => answer with { Outcome = "refused", Reason = $"{refused.EnhancedCode} {refused.Reason}" },
            RouteDeferred deferred => answer with
            {
                Outcome = "waits",
                Reason = $"{deferred.EnhancedCode} {deferred.Reason}",
                LeftOut = ToLeftOut(deferred.LeftOut),
            },
            var other => throw new InvalidOperationException($"{other.GetType()} is no route."),
        };
    }

    private static string Explain(SmtpHopConfiguration smtp, HostAndPort host) => smtp.Tls switch
    {
        TlsPolicy.Required => $"required by the configuration: a certificate for {smtp.TlsName ?? host.Host} from "
            + (smtp.Trust is null ? "a CA that the system trusts" : "a CA of tls-trust"),
        TlsPolicy.Never => "never, by the configuration",
        _ => "opportunistic: TLS where offered, with any certificate",
    };

    private static Host ToHost(RouteHost host) =>
        new(host.Name, host.Preference, [.. host.Addresses.Select(a => a.ToString())], host.Tls.Explain());

    private static ImmutableArray<NotUsed> ToLeftOut(ImmutableArray<HostLeftOut> hosts) =>
        [.. hosts.Select(h => new NotUsed(h.Name, h.Preference, h.Reason))];

    private static void Print(Answer answer)
    {
        Console.WriteLine($"{answer.Domain}: next hop '{answer.NextHop}' ({answer.Why})");
        foreach (var host in answer.Hosts)
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {host.Preference} {host.Name}  {string.Join(' ', host.Addresses)}"));
            Console.WriteLine($"      TLS: {host.Tls}");
        }
        if (answer.ClientCertificate is { } own)
            Console.WriteLine($"  Hosts that ask for a certificate are shown {own}");
        foreach (var host in answer.LeftOut)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {host.Preference} {host.Name}  is not used: {host.Reason}"));
        Console.WriteLine(answer.Reason is null ? $"  Outcome: {answer.Outcome}." : $"  Outcome: {answer.Outcome}: {answer.Reason}");
    }

    private sealed record Answer(
        string Domain, string NextHop, string Why, string Outcome, string? Reason, ImmutableArray<Host> Hosts, ImmutableArray<NotUsed> LeftOut)
    {
        /// <summary>Its subject.</summary>
        public string? ClientCertificate { get; init; }
    }

    private sealed record Host(string Name, int Preference, ImmutableArray<string> Addresses, string Tls);

    private sealed record NotUsed(string Name, int Preference, string Reason);
}
