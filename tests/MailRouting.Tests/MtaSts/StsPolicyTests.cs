using GatewaySecure.MailRouting.MtaSts;

namespace GatewaySecure.MailRouting.Tests.MtaSts;

public sealed class StsPolicyTests
{
    [Fact]
    public void Policy_of_the_standard_is_read()
    {
        Assert.True(StsPolicy.TryParse(
            "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.Example.net\r\nmx: backupmx.example.com\r\nmax_age: 604800\r\n", out var policy, out _));
        Assert.Equal((StsMode.Enforce, TimeSpan.FromDays(7)), (policy.Mode, policy.MaxAge));
        Assert.Equal(["mail.example.com", "*.example.net", "backupmx.example.com"], policy.MxPatterns);
    }

    [Fact]
    public void Unknown_keys_are_ignored_and_the_first_of_two_counts()
    {
        Assert.True(StsPolicy.TryParse("version:STSv1\nmode:testing\nmode: enforce\nfuture: x\nmx: a.test\nmax_age: 1", out var policy, out _));
        Assert.Equal(StsMode.Testing, policy.Mode);
    }

    [Fact]
    public void Mode_none_needs_no_mx() => Assert.True(StsPolicy.TryParse("version: STSv1\nmode: none\nmax_age: 86400", out _, out _));

    [Theory]
    [InlineData("")]
    [InlineData("<html>")]
    [InlineData("mode: enforce\nmx: a.test\nmax_age: 1")]
    [InlineData("version: STSv2\nmode: enforce\nmx: a.test\nmax_age: 1")]
    [InlineData("version: STSv1\nmode: sometimes\nmx: a.test\nmax_age: 1")]
    [InlineData("version: STSv1\nmode: enforce\nmax_age: 1")]
    [InlineData("version: STSv1\nmode: enforce\nmx: a.test")]
    [InlineData("version: STSv1\nmode: enforce\nmx: a.test\nmax_age: -1")]
    [InlineData("version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 99999999")]
    [InlineData("version: STSv1\nmode: enforce\nmx: *.*.test\nmax_age: 1")]
    [InlineData("version: STSv1\nmode: enforce\nmx: *\nmax_age: 1")]
    public void What_is_no_policy_is_refused_with_a_reason(string text)
    {
        Assert.False(StsPolicy.TryParse(text, out _, out var problem));
        Assert.NotEmpty(problem);
    }

    [Theory]
    [InlineData("mx.example.test", true)]
    [InlineData("a.wild.test", true)]
    [InlineData("a.b.wild.test", false)]
    [InlineData("wild.test", false)]
    [InlineData("awild.test", false)]
    [InlineData("other.example.test", false)]
    public void Wildcard_stands_for_one_label(string host, bool allowed) =>
        Assert.Equal(allowed, new StsPolicy(StsMode.Enforce, TimeSpan.FromDays(1), ["mx.example.test", "*.wild.test"]).Allows(host));

    [Theory]
    [InlineData("1", "v=STSv1; id=1;")]
    [InlineData("1", "v=STSv1;id=1", "something else")]
    [InlineData(null, "v=STSv1; id=1;", "v=STSv1; id=2;")]
    [InlineData(null, "v=STSv10; id=1;")]
    [InlineData(null, "id=1; v=STSv1;")]
    public void There_is_one_record_or_none(string? id, params string[] records) =>
        Assert.Equal(id, TagList.TheOne(records, "STSv1")?["id"]);
}
