using GatewaySecure.Gateway.Configuration;
using GatewaySecure.Settings;

namespace GatewaySecure.Gateway.Tests.Configuration;

public sealed class ValueParserTests
{
    [Theory]
    [InlineData("1", 1L)]
    [InlineData("50MB", 50_000_000L)]
    [InlineData("2 GiB", 2L << 30)]
    [InlineData("64KiB", 64L << 10)]
    [InlineData("0", null)]
    [InlineData("-1", null)]
    [InlineData("MB", null)]
    [InlineData("5mb", null)]
    [InlineData("99999999999999999999GB", null)]
    public void Sizes(string text, long? octets)
    {
        Assert.Equal(octets is not null, ValueParsers.Size(text, out var value, out _));
        Assert.True(octets is null || octets == value);
    }

    [Theory]
    [InlineData("a text", true)]
    [InlineData("", false)]
    [InlineData("two\nlines", false)]
    [InlineData("two\u2028lines", false)]
    [InlineData("turned \u202e round", false)]
    public void Texts_are_one_line_and_read_as_they_stand(string text, bool isGood) => Assert.Equal(isGood, ValueParsers.Text(text, out _, out _));

    [Theory]
    [InlineData("30s", 30)]
    [InlineData("5m", 300)]
    [InlineData("5d", 432_000)]
    [InlineData("5", null)]
    [InlineData("s", null)]
    [InlineData("0m", null)]
    [InlineData("-5m", null)]
    [InlineData("999999999d", null)]
    public void Durations(string text, int? seconds)
    {
        Assert.Equal(seconds is not null, ValueParsers.Duration(text, out var value, out _));
        Assert.True(seconds is null || seconds == value.TotalSeconds);
    }

    [Theory]
    [InlineData("10.0.0.0/8", "10.0.0.0/8")]
    [InlineData("192.0.2.1", "192.0.2.1/32")]
    [InlineData("::1", "::1/128")]
    [InlineData("10.0.0.1/8", "10.0.0.0/8")]
    [InlineData("everywhere", null)]
    [InlineData("10", null)]
    [InlineData("0.0.0.0/0", "0.0.0.0/0")]
    public void Networks(string text, string? network)
    {
        Assert.Equal(network is not null, ValueParsers.Network(text, out var value, out _));
        Assert.True(network is null || network == value.ToString());
    }

    [Theory]
    [InlineData("mail.example.org:25", "mail.example.org", 25)]
    [InlineData("[2001:db8::1]:587", "2001:db8::1", 587)]
    [InlineData("[IPv6:2001:db8::1]", "2001:db8::1", 25)]
    [InlineData("[192.0.2.1]:26", "192.0.2.1", 26)]
    [InlineData("mail.example.org", "mail.example.org", 25)]
    [InlineData("mail.example.org:0", null, 0)]
    [InlineData(":25", null, 0)]
    [InlineData("mail example:25", null, 0)]
    public void Hosts(string text, string? host, int port)
    {
        Assert.Equal(host is not null, MailValues.Host(text, out var value, out _));
        Assert.True(host is null || value == new HostAndPort(host, port));
    }

    [Theory]
    [InlineData("kcd", "; did you mean kdc?")]
    [InlineData("normall", "; did you mean normal?")]
    [InlineData("banana", "")]
    public void A_near_word_is_suggested(string text, string suggestion) =>
        Assert.Equal(suggestion, ValueParsers.Suggest(text, ["normal", "ca", "kdc"]));
}
