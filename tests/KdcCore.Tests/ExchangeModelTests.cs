using GatewaySecure.TestKit;

namespace GatewaySecure.KdcCore.Tests;

/// <summary>
/// The exchange as a model (tests/models/exchange.pml), searched whole by spin: what the attacker can do to the paper's exchange, that
/// he can't do it to ours, and that each of its parts is needed. The table is docs/kdc.md's.
/// </summary>
public sealed class ExchangeModelTests
{
    private const string Ours = "MAC NONCE BIND COMMITMENT";

    [Theory]
    // The paper's exchange.
    [InlineData("MAC", "FORGERY", "LEAK", true)] // Denning and Sacco: yesterday's key and ticket carry today's forgery.
    [InlineData("", "FORGERY", "", true)] // Anybody asks in A's name.
    [InlineData("", "SECRECY", "", true)] // The recipient is changed on the way; A does not notice.
    [InlineData("", "FRESHNESS", "", true)] // An old answer is taken for a new one.
    // Ours.
    [InlineData(Ours, "FORGERY", "SHARED LEAK", false)]
    [InlineData(Ours, "SECRECY", "SHARED LEAK", false)]
    [InlineData(Ours, "SECRECY", "LEAK", false)]
    [InlineData(Ours, "FRESHNESS", "SHARED LEAK", false)]
    // Ours with one part removed.
    [InlineData("MAC NONCE BIND", "FORGERY", "SHARED", true)] // One recipient forges to another: they share the session key.
    [InlineData("NONCE BIND COMMITMENT", "FORGERY", "", true)]
    [InlineData("NONCE COMMITMENT", "SECRECY", "", true)]
    [InlineData("MAC BIND COMMITMENT", "FRESHNESS", "SHARED LEAK", false)] // The commitment does the nonce's work too.
    // A promise that can be broken is broken; so honest mail does arrive, and the model is not empty.
    [InlineData(Ours, "REACHABLE", "SHARED", true)]
    public async Task The_checker_finds_an_attack_just_where_a_part_is_missing(string parts, string promise, string attacker, bool found)
    {
        using var directory = new TempDirectory();
        var switches = $"{parts} {attacker} CHECK_{promise}".Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(s => "-D" + s);
        var model = Path.Combine(Repository.Root, "tests", "models", "exchange.pml");
        // spin writes where it runs.
        await InAsync(directory.Path, "spin", ["-a", .. switches, model]);
        await InAsync(directory.Path, "gcc", ["-O1", "-DSAFETY", "-w", "-o", "pan", "pan.c"]);
        var result = await InAsync(directory.Path, "./pan", ["-m100000"]);

        Assert.DoesNotContain("max search depth too small", result, StringComparison.Ordinal);
        Assert.Contains("Full statespace search", result, StringComparison.Ordinal);
        Assert.Contains(found ? "errors: 1" : "errors: 0", result, StringComparison.Ordinal);
    }

    private static async Task<string> InAsync(string directory, string program, IEnumerable<string> arguments) =>
        (await Tool.RunAsync("env", ["-C", directory, program, .. arguments])).Checked().Text;
}
