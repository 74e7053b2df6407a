using System.Net;
using System.Text;
using GatewaySecure.Addresses;
using GatewaySecure.MailAuthentication.Spf;

namespace GatewaySecure.MailAuthentication.Tests;

public sealed class SpfTests(AuthenticationFixture fixture)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<SpfCase> Cases => [.. SpfCases.All];

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task Client_is_judged_as_rfc_7208_says(SpfCase row)
    {
        var result = await CheckAsync(row);
        Assert.Equal((row.Expected, row.ToString()), (Word(result), row.ToString()));
        Assert.NotEmpty(result.Reason);
    }

    [Fact]
    public async Task Pyspf_judges_the_whole_table_alike()
    {
        var lines = string.Join('\n', SpfCases.All.Select(c => $"{c.Address} {c.Helo} {c.Sender}")) + "\n";
        var output = (await fixture.PythonAsync(Encoding.ASCII.GetBytes(lines), "spf", "--dns", fixture.DnsPort)).Checked();
        var theirs = output.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(SpfCases.All.Select(c => $"{c.Address} {c.Sender} {c.Expected}"), SpfCases.All.Zip(theirs, (c, r) => $"{c.Address} {c.Sender} {r}"));
    }

    // pyspf looks at modifiers it does not know no further; RFC 7208 §6 wants them well formed.
    [Fact]
    public async Task Unknown_modifier_with_a_broken_macro_is_a_permanent_error() =>
        Assert.Equal("permerror", Word(await CheckAsync(new SpfCase("192.0.2.1", "bob@badmacro.spf.test", ""))));

    [Theory]
    [InlineData("%{s}", "strong-bad@email.example.com")]
    [InlineData("%{o}", "email.example.com")]
    [InlineData("%{d4}", "email.example.com")]
    [InlineData("%{d2}", "example.com")]
    [InlineData("%{d1}", "com")]
    [InlineData("%{dr}", "com.example.email")]
    [InlineData("%{d2r}", "example.email")]
    [InlineData("%{l}", "strong-bad")]
    [InlineData("%{l-}", "strong.bad")]
    [InlineData("%{lr}", "strong-bad")]
    [InlineData("%{lr-}", "bad.strong")]
    [InlineData("%{l1r-}", "strong")]
    [InlineData("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com")]
    [InlineData("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com")]
    [InlineData("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net")]
    [InlineData("a%%b%_c%-d", "a%b c%20d")]
    public void Macros_expand_as_in_rfc_7208_section_7_4(string macro, string expected)
    {
        var facts = new SpfMacroFacts(IPAddress.Parse("192.0.2.3"), "strong-bad@email.example.com", "helo.test", "email.example.com");
        Assert.Equal(expected, SpfMacro.Expand(macro, facts, "unknown"));
    }

    [Fact]
    public void Macro_of_an_ipv6_address_has_its_nibbles()
    {
        var facts = new SpfMacroFacts(IPAddress.Parse("2001:db8::cb01"), "strong-bad@email.example.com", "helo.test", "email.example.com");
        Assert.Equal(
            "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com",
            SpfMacro.Expand("%{ir}.%{v}._spf.%{d2}", facts, "unknown"));
    }

    [Fact]
    public void Name_that_grows_too_long_loses_labels_from_the_left()
    {
        var longName = string.Join('.', Enumerable.Repeat(new string('a', 60), 6)) + ".example.com";
        var facts = new SpfMacroFacts(IPAddress.Loopback, $"a@{longName}", "helo.test", longName);
        var expanded = SpfMacro.Expand("%{d}", facts, "unknown");
        Assert.True(expanded.Length <= 253);
        Assert.EndsWith(".example.com", expanded, StringComparison.Ordinal);
    }

    private async Task<SpfResult> CheckAsync(SpfCase row) =>
        await new SpfVerifier(fixture.Resolver).CheckAsync(
            IPAddress.Parse(row.Address), row.Helo, row.Sender == "<>" ? null : MailAddress.Parse(row.Sender), Token);

    private static string Word(SpfResult result) => result.Result.ToString().ToLowerInvariant();
}
