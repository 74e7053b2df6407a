using System.Text;
using GatewaySecure.Smtp.Server;

namespace GatewaySecure.Smtp.Tests;

public sealed class DataReaderTests
{
    [Theory]
    [InlineData(".\r\n", "")]
    [InlineData("\r\n.\r\n", "\r\n")]
    [InlineData("a\r\n.\r\n", "a\r\n")]
    [InlineData("..\r\n.\r\n", ".\r\n")]
    [InlineData("...\r\n.\r\n", "..\r\n")]
    [InlineData(".a\r\n.\r\n", "a\r\n")]
    [InlineData("a.\r\n.b.\r\n.\r\n", "a.\r\nb.\r\n")]
    [InlineData("a\0\u00ff\r\n.\r\n", "a\0\u00ff\r\n")]
    [InlineData("\r\n\r\n..\r\n.\r\n", "\r\n\r\n.\r\n")]
    [InlineData("a\r\n\0.\r\n.\0\r\n\0\r\n.\r\n", "a\r\n\0.\r\n\0\r\n\0\r\n")]
    public void Content_is_unstuffed_however_it_is_cut(string wire, string content)
    {
        foreach (var (read, reader, rest) in AllCuts(wire + "NEXT", normalise: false))
        {
            Assert.True(reader.IsAtEnd);
            Assert.False(reader.HasBareLineEnd);
            Assert.Equal(content.Contains('\0', StringComparison.Ordinal), reader.HasNul);
            Assert.Equal(content, read);
            Assert.Equal("NEXT", rest);
        }
    }

    [Theory]
    [InlineData("a\n.\n")]
    [InlineData("a\r.\r")]
    [InlineData("a\n.\r\n")]
    [InlineData("a\r\n.\n")]
    [InlineData("a\r.\r\n")]
    [InlineData("a\r\n.\r")]
    [InlineData("a\r\n.\r\r\n")]
    [InlineData(".\n")]
    [InlineData(".\r.\r\n")]
    [InlineData("\n.\n")]
    [InlineData("a\r\r\n")]
    [InlineData("a\n\r.\r\n")]
    public void Nothing_but_the_true_end_ends_a_message(string wire)
    {
        foreach (var normalise in new[] { false, true })
        {
            foreach (var (_, reader, rest) in AllCuts(wire + "x\r\n.\r\n", normalise))
            {
                Assert.True(reader.IsAtEnd);
                Assert.Equal(!normalise, reader.HasBareLineEnd);
                Assert.Equal("", rest);
            }
            foreach (var (_, reader, _) in AllCuts(wire + "x", normalise))
                Assert.False(reader.IsAtEnd);
        }
    }

    [Fact]
    public void Normalised_content_has_no_bare_line_end()
    {
        var random = new Random(7);
        const string alphabet = "a.\r\n";
        for (var round = 0; round < 3000; round++)
        {
            var wire = new string([.. Enumerable.Range(0, random.Next(1, 16)).Select(_ => alphabet[random.Next(alphabet.Length)])]);
            var whole = Read(wire + "\r\n.\r\n", [], normalise: true).Read;
            Assert.DoesNotContain("\r", whole.Replace("\r\n", "", StringComparison.Ordinal), StringComparison.Ordinal);
            Assert.DoesNotContain("\n", whole.Replace("\r\n", "", StringComparison.Ordinal), StringComparison.Ordinal);
            var cut = Read(wire + "\r\n.\r\n", [.. Enumerable.Range(1, wire.Length + 4)], normalise: true).Read;
            Assert.Equal(whole, cut);
        }
    }

    [Fact]
    public void Strict_verdict_agrees_with_a_naive_reading()
    {
        var random = new Random(11);
        const string alphabet = "a.\r\n";
        for (var round = 0; round < 5000; round++)
        {
            var wire = new string([.. Enumerable.Range(0, random.Next(0, 20)).Select(_ => alphabet[random.Next(alphabet.Length)])]) + "\r\n.\r\n";
            var end = ("\r\n" + wire).IndexOf("\r\n.\r\n", StringComparison.Ordinal);
            var lines = ("\r\n" + wire)[..(end + 2)][2..].Split("\r\n");
            var expected = string.Join("\r\n", lines.Select(l => l.StartsWith('.') ? l[1..] : l));
            var bare = lines.Any(l => l.Contains('\r', StringComparison.Ordinal) || l.Contains('\n', StringComparison.Ordinal));
            var (read, reader, rest) = Read(wire, [random.Next(1, wire.Length)], normalise: false);
            Assert.True(reader.IsAtEnd);
            Assert.Equal(bare, reader.HasBareLineEnd);
            Assert.Equal(wire[(end + 3)..], rest);
            if (!bare)
                Assert.Equal(expected, read);
        }
    }

    private static IEnumerable<(string Read, DataReader Reader, string Left)> AllCuts(string wire, bool normalise)
    {
        yield return Read(wire, [], normalise);
        yield return Read(wire, [.. Enumerable.Range(1, wire.Length - 1)], normalise);
        for (var cut = 1; cut < wire.Length; cut++)
            yield return Read(wire, [cut], normalise);
    }

    private static (string Read, DataReader Reader, string Left) Read(string wire, int[] cuts, bool normalise)
    {
        var octets = Encoding.Latin1.GetBytes(wire);
        var reader = new DataReader(dots: true, normalise);
        var read = new StringBuilder();
        var start = 0;
        var used = 0;
        foreach (var end in cuts.Append(octets.Length))
        {
            ReadOnlyMemory<byte> input = octets.AsMemory(start, end - start);
            while (!input.IsEmpty && !reader.IsAtEnd)
                read.Append(Encoding.Latin1.GetString(reader.Next(ref input).Span));
            used += end - start - input.Length;
            start = end;
            if (reader.IsAtEnd)
                break;
        }
        return (read.ToString(), reader, wire[used..]);
    }
}
