using System.Text;
using GatewaySecure.Gateway.Receiving;

namespace GatewaySecure.Gateway.Tests.Receiving;

/// <summary>What a peer may not bring goes, whole; everything else stays octet by octet, however the message is cut into pieces.</summary>
public sealed class HeaderFirewallTests
{
    private const string HostName = "gateway.example.org";

    public static TheoryData<string, string, string> Cases => new()
    {
        // name, what is sent, what is left; a removed field is marked by "-|" at its beginning and each of its continuation lines.
        { "nothing to remove", "From: a\r\nSubject: b\r\n c\r\n\r\nX-MS-Exchange-Organization-SCL: in the body\r\n", "" },
        { "exchange", "From: a\r\n-|X-MS-Exchange-Organization-AuthAs: Internal\r\nTo: b\r\n\r\nbody\r\n", "X-MS-Exchange-Organization-AuthAs" },
        { "first and last", "-|X-MS-Exchange-Forest-Language: de\r\nFrom: a\r\n-|x-ms-exchange-crosstenant-id: 1\r\n\r\n", "X-MS-Exchange-Forest-Language x-ms-exchange-crosstenant-id" },
        { "folded", "From: a\r\n-|X-MS-Exchange-Organization-X:\r\n-| 1\r\n-|\t2\r\nTo: b\r\n\r\n", "X-MS-Exchange-Organization-X" },
        { "space before the colon", "-|X-MS-Exchange-Organization-SCL \t: -1\r\nTo: b\r\n\r\n", "X-MS-Exchange-Organization-SCL" },
        { "twice", "-|X-OriginatorOrg: a\r\n-|X-OriginatorOrg: b\r\nTo: b\r\n\r\n", "X-OriginatorOrg" },
        { "no empty line", "From: a\r\n-|X-MS-Exchange-A: 1", "X-MS-Exchange-A" },
        { "ends in a name", "From: a\r\nX-MS-Exch", "" },
        { "ends in a fold", "From: a\r\n-|X-MS-Exchange-A: 1\r\n-| ", "X-MS-Exchange-A" },
        { "behind a line that is no field", "From: a\r\nno field\r\n-|X-MS-Exchange-A: 1\r\n\r\n", "X-MS-Exchange-A" },
        { "a fold before any field", " folded\r\n-|X-MS-Exchange-A: 1\r\n\r\n", "X-MS-Exchange-A" },
        { "of the same beginning", "X-MS-Exchangeable: 1\r\nX-MS-Journal-Reporter: 2\r\n-|X-MS-Journal-Report:\r\n\r\n", "X-MS-Journal-Report" },
        { "ours", "-|X-GatewaySecure-Processed: v1\r\n-|x-gatewaysecure-anything: 1\r\n\r\n", "X-GatewaySecure-Processed x-gatewaysecure-anything" },
        { "our verdict", "-|Authentication-Results: gateway.example.org; dkim=pass\r\n-|  header.d=x\r\nTo: b\r\n\r\n", "Authentication-Results" },
        { "our verdict, dressed up", "-|Authentication-Results:\r\n-| (x;y) Gateway.Example.ORG 1\r\n-| ; spf=pass\r\n\r\n", "Authentication-Results" },
        { "another's verdict", "Authentication-Results: mx.partner.example;\r\n dkim=pass\r\nTo: b\r\n\r\n", "" },
        { "a verdict at the end", "Authentication-Results: mx.partner.example; dkim=pass", "" },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Only_the_forbidden_fields_go_whatever_the_pieces(string name, string marked, string removed)
    {
        Assert.NotEmpty(name);
        var sent = marked.Replace("-|", "", StringComparison.Ordinal);
        var expected = string.Concat(marked.Split("\r\n").Select((l, i) => (Line: l, Last: i == marked.Split("\r\n").Length - 1))
            .Where(l => !l.Line.StartsWith("-|", StringComparison.Ordinal))
            .Select(l => l.Last ? l.Line : l.Line + "\r\n"));
        foreach (var size in new[] { 1, 2, 3, 7, 4096 })
        {
            var (left, names) = Pass(sent, size);
            Assert.Equal(expected, left);
            Assert.Equal(removed, names);
        }
    }

    [Fact]
    public void From_a_listed_Exchange_its_own_fields_stay_and_ours_do_not()
    {
        var (left, names) = Pass("X-MS-Exchange-Organization-AuthAs: Internal\r\nX-GatewaySecure-Processed: x\r\n\r\n", 10, fromExchange: true);
        Assert.Equal("X-MS-Exchange-Organization-AuthAs: Internal\r\n\r\n", left);
        Assert.Equal("X-GatewaySecure-Processed", names);
    }

    [Fact]
    public void A_verdict_too_long_to_be_judged_goes()
    {
        var (left, names) = Pass("Authentication-Results: " + new string(' ', 40_000) + "gateway.example.org; dkim=pass\r\nTo: b\r\n\r\n", 1000);
        Assert.Equal("To: b\r\n\r\n", left);
        Assert.Equal("Authentication-Results", names);
    }

    [Fact]
    public void Thousands_of_forbidden_fields_go_and_few_are_remembered()
    {
        var many = string.Concat(Enumerable.Range(0, 5000).Select(i => $"X-MS-Exchange-{i}: 1\r\n"));
        var (left, names) = Pass(many + "To: b\r\n\r\n", 4096);
        Assert.Equal("To: b\r\n\r\n", left);
        Assert.Equal(20, names.Split(' ').Length);
    }

    [Fact]
    public void Nothing_is_thrown_and_nothing_allowed_is_lost_whatever_comes()
    {
        var random = new Random(7);
        string[] pieces = ["X-MS-Exchange-A", ":", "\r\n", " ", "\t", "\r", "a", "Authentication-Results: ", "gateway.example.org", ";", "\0", new string('n', 300)];
        for (var round = 0; round < 2000; round++)
        {
            var text = string.Concat(Enumerable.Range(0, random.Next(30)).Select(_ => pieces[random.Next(pieces.Length)]));
            var (whole, _) = Pass(text, 4096);
            var (cut, _) = Pass(text, random.Next(1, 20));
            Assert.Equal(whole, cut);
            if (!text.Contains("X-MS", StringComparison.Ordinal) && !text.Contains("Auth", StringComparison.Ordinal))
                Assert.Equal(text, whole);
        }
    }

    private static (string Left, string Removed) Pass(string text, int size, bool fromExchange = false)
    {
        var firewall = new HeaderFirewall(fromExchange ? GuardedFields.ForExchange(HostName) : GuardedFields.ForOthers(HostName));
        var left = new MemoryStream();
        foreach (var piece in Encoding.ASCII.GetBytes(text).Chunk(size))
            left.Write(firewall.Pass(piece).Span);
        left.Write(firewall.End().Span);
        return (Encoding.ASCII.GetString(left.ToArray()), string.Join(' ', firewall.Removed));
    }
}
