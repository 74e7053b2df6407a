using GatewaySecure.Addresses;

namespace GatewaySecure.Addresses.Tests;

public sealed class DomainNameTests
{
    [Theory]
    [InlineData("mail.example.org", "example.org", true)]
    [InlineData("example.org", "example.org", false)]
    [InlineData("badexample.org", "example.org", false)]
    [InlineData("a.b.example.org", "example.org", true)]
    [InlineData("[192.0.2.1]", "1", false)]
    public void Below_means_whole_labels(string child, string parent, bool expected) =>
        Assert.Equal(expected, DomainName.Parse(child).IsBelow(DomainName.Parse(parent)));

    [Fact]
    public void A_domain_is_shown_in_the_readers_script() =>
        Assert.Equal("bücher.example", DomainName.Parse("XN--BCHER-KVA.example").Unicode);

    [Theory]
    [InlineData("example.org.")]
    [InlineData("ex_ample.org")]
    [InlineData("example..org")]
    [InlineData("[IPv6:192.0.2.1]")]
    [InlineData("[not.an.address]")]
    [InlineData("a\u2028b.example")]
    [InlineData("a\u0085b.example")]
    [InlineData("a\u00a0b.example")]
    [InlineData("a\u202eb.example")]
    public void What_is_no_domain_is_refused(string text) => Assert.False(DomainName.TryParse(text, out _));
}
