using GatewaySecure.Addresses;
using GatewaySecure.Policies;

namespace GatewaySecure.Policies.Tests;

public sealed class PatternTests
{
    [Theory]
    [InlineData("bob@example.org", "BOB@example.org", true)]
    [InlineData("bob@example.org", "rob@example.org", false)]
    [InlineData("example.org", "x@example.org", true)]
    [InlineData("example.org", "x@sub.example.org", false)]
    [InlineData("*.example.org", "x@sub.example.org", true)]
    [InlineData("*.example.org", "x@example.org", false)]
    [InlineData("*.example.org", "x@badexample.org", false)]
    [InlineData("*", "x@anything.example", true)]
    [InlineData("*", null, false)]
    [InlineData("<>", null, true)]
    [InlineData("<>", "x@anything.example", false)]
    [InlineData("example.org", null, false)]
    public void Addresses(string pattern, string? address, bool matches)
    {
        Assert.True(AddressPattern.TryParse(pattern, out var parsed));
        Assert.Equal(matches, parsed.Matches(address is null ? null : MailAddress.Parse(address)));
        Assert.Equal(pattern, parsed.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("@")]
    [InlineData("*.")]
    [InlineData("*@example.org")]
    [InlineData("exa mple.org")]
    public void What_is_no_address_pattern_is_refused(string text) => Assert.False(AddressPattern.TryParse(text, out _));

    [Theory]
    [InlineData("secret", "Top SECRET plan", true)]
    [InlineData("secret", "public", false)]
    [InlineData("[secure]*", "[Secure] offer", true)]
    [InlineData("[secure]*", "Re: [secure]", false)]
    [InlineData("a.c*", "abc", false)]
    [InlineData("/^case [0-9]+$/", "Case 17", true)]
    [InlineData("/^case [0-9]+$/", "Case x", false)]
    public void Texts(string pattern, string text, bool matches)
    {
        Assert.True(TextPattern.TryParse(pattern, out var parsed, out _));
        Assert.Equal(matches, parsed.Matches(text));
    }

    [Theory]
    [InlineData("")]
    [InlineData("/(/")]
    [InlineData("/(a)\\1/")]
    public void What_is_no_text_pattern_is_refused_with_a_reason(string text)
    {
        Assert.False(TextPattern.TryParse(text, out _, out var problem));
        Assert.StartsWith("is ", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void No_subject_can_make_a_pattern_slow()
    {
        // Exponential for a backtracking engine; here it must simply come to an end.
        Assert.True(TextPattern.TryParse("/^(a+)+$/", out var pattern, out _));
        Assert.False(pattern.Matches(new string('a', 100_000) + "!"));
    }
}
