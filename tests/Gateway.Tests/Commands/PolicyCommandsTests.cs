using System.Text.Json;
using GatewaySecure.TestKit;

namespace GatewaySecure.Gateway.Tests.Commands;

/// <summary>The command as a shell runs it.</summary>
public sealed class PolicyCommandsTests : IDisposable
{
    private readonly TempDirectory _folder = new();

    public PolicyCommandsTests() => File.WriteAllText(_folder["g.yaml"], """
        hostname: gateway.example.org
        organisation-domains: example.org
        listeners: [{ address: "127.0.0.1:2525" }]
        next-hops: { out: { directory: out } }
        default-next-hop: out
        default: normal
        rules:
          - { name: inside, direction: internal, method: kdc, when-unavailable: reject }
          - { name: on request, subject: "[secure]*", method: [kdc, ca] }
          - { name: never, recipient: competitor.example, action: reject }
        """);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Check_says_by_its_exit_status_whether_a_configuration_can_be_used()
    {
        Assert.Equal(0, (await Run("check", _folder["g.yaml"])).ExitCode);
        File.AppendAllText(_folder["g.yaml"], "\nfoo: 1\n");
        var bad = await Run("check", _folder["g.yaml"], "--json");
        Assert.Equal(1, bad.ExitCode);
        using var problems = JsonDocument.Parse(bad.Output);
        var problem = Assert.Single(problems.RootElement.EnumerateArray(), p => p.GetProperty("isError").GetBoolean());
        Assert.Equal((11, "foo"), (problem.GetProperty("line").GetInt32(), problem.GetProperty("key").GetString()));
    }

    [Fact]
    public async Task No_file_name_is_a_plain_problem()
    {
        var result = await Run("check", "");
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("no configuration file is named", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Explain_says_for_each_recipient_what_wins_and_why_the_rest_does_not()
    {
        var text = (await Explain("--to", "bob@example.org", "--to", "x@competitor.example", "--subject", "[secure] x")).Output;
        Assert.Contains("bob@example.org (internal, ", text, StringComparison.Ordinal);
        Assert.Contains("→ inside: direction is internal", text, StringComparison.Ordinal);
        Assert.Contains("on request: not reached: 'inside' won before", text, StringComparison.Ordinal);
        Assert.Contains("Outcome: kdc; where that can't be had: reject.", text, StringComparison.Ordinal);
        Assert.Contains("on request: matches (Subject matches [secure]*), but would lower what rule 'never' demands", text, StringComparison.Ordinal);
        Assert.Contains("Outcome: refused with 550.", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Mail_from_outside_is_inbound_whatever_it_claims()
    {
        Assert.Equal("inside", await Winner("--to", "bob@example.org"));
        Assert.Equal("(default)", await Winner("--to", "bob@example.org", "--outside"));
    }

    [Theory]
    [InlineData("\n")]
    [InlineData("\r\n")]
    public async Task A_message_file_counts_with_either_line_end(string end)
    {
        File.WriteAllText(_folder["mail.eml"], $"From: alice@example.org{end}Subject: =?utf-8?q?=5Bsecure=5D?= x{end}{end}body{end}");
        Assert.Equal("on request", await Winner("--to", "carol@partner.example", "--eml", _folder["mail.eml"]));
        Assert.Equal("(default)", await Winner("--to", "carol@partner.example"));
    }

    [Theory]
    [InlineData("--to", "nobody")]
    [InlineData("--to", "a@example.org", "--header", "no colon")]
    [InlineData("--to", "a@example.org", "--eml", "not-there.eml")]
    public async Task What_can_not_be_read_is_an_error_and_no_answer(params string[] arguments)
    {
        var result = await Explain(arguments);
        Assert.Equal((1, ""), (result.ExitCode, result.Output));
    }

    private async Task<string?> Winner(params string[] arguments)
    {
        var result = await Explain([.. arguments, "--json"]);
        Assert.Equal(0, result.ExitCode);
        using var answers = JsonDocument.Parse(result.Output);
        return Assert.Single(answers.RootElement.EnumerateArray()).GetProperty("decision").GetProperty("rule").GetString();
    }

    private Task<(int ExitCode, string Output)> Explain(params string[] arguments) =>
        Run(["explain", "--config", _folder["g.yaml"], "--from", "alice@example.org", .. arguments]);

    private static async Task<(int ExitCode, string Output)> Run(params string[] arguments)
    {
        var result = await Tool.RunAsync("dotnet", [Path.Combine(AppContext.BaseDirectory, "gateway.dll"), "policy", .. arguments]);
        return (result.ExitCode, result.Text);
    }
}
