using GatewaySecure.Addresses;

namespace GatewaySecure.Addresses.Tests;

public sealed class MailAddressTests
{
    [Theory]
    [InlineData("alice@example.org", "alice", "example.org")]
    [InlineData("Alice.B+tag@EXAMPLE.org", "Alice.B+tag", "example.org")]
    [InlineData("\"a b\"@example.org", "a b", "example.org")]
    [InlineData("\"a\\\"@x\"@example.org", "a\"@x", "example.org")]
    [InlineData("a@[192.0.2.1]", "a", "[192.0.2.1]")]
    [InlineData("a@[IPv6:2001:db8::1]", "a", "[IPv6:2001:db8::1]")]
    [InlineData("jürgen@bücher.example", "jürgen", "xn--bcher-kva.example")]
    public void A_mailbox_is_parsed(string text, string localPart, string domain)
    {
        var address = MailAddress.Parse(text);
        Assert.Equal(localPart, address.LocalPart);
        Assert.Equal(domain, address.Domain.Ascii);
        Assert.Equal(text, address.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("alice")]
    [InlineData("@example.org")]
    [InlineData("alice@")]
    [InlineData(".alice@example.org")]
    [InlineData("a..b@example.org")]
    [InlineData("a b@example.org")]
    [InlineData("a\r\n@example.org")]
    [InlineData("\"a\r\"@example.org")]
    [InlineData("\"open@example.org")]
    [InlineData("\"a\u2028b\"@example.org")]
    [InlineData("\"a\u0085b\"@example.org")]
    [InlineData("a\u2029b@example.org")]
    [InlineData("a@exa mple.org")]
    [InlineData("a@-x.example")]
    [InlineData("a@[192.0.2]x")]
    [InlineData("a@[2001:db8::1]")]
    [InlineData("a@b@example.org")]
    [InlineData("01234567890123456789012345678901234567890123456789012345678901234@example.org")]
    public void What_is_no_mailbox_is_refused(string text) => Assert.False(MailAddress.TryParse(text, out _));

    [Fact]
    public void Addresses_compare_without_regard_to_case_and_by_a_labels()
    {
        Assert.Equal(MailAddress.Parse("Alice@BÜCHER.example"), MailAddress.Parse("alice@xn--bcher-kva.example"));
        Assert.Equal(
            MailAddress.Parse("Alice@BÜCHER.example").GetHashCode(), MailAddress.Parse("alice@xn--bcher-kva.example").GetHashCode());
        Assert.NotEqual(MailAddress.Parse("alice@example.org"), MailAddress.Parse("alice@example.net"));
    }

    [Fact]
    public void Only_a_local_part_beyond_ascii_needs_smtputf8()
    {
        Assert.False(MailAddress.Parse("alice@bücher.example").NeedsSmtpUtf8);
        Assert.True(MailAddress.Parse("jürgen@example.org").NeedsSmtpUtf8);
    }
}
