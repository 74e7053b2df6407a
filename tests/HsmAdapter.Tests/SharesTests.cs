using System.Security.Cryptography;
using GatewaySecure.TestKit;

namespace GatewaySecure.HsmAdapter.Tests;

/// <summary>Shares: the scheme against libgfshare, and the text that officers keep.</summary>
public sealed class SharesTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(2, 2)]
    [InlineData(2, 5)]
    [InlineData(3, 5)]
    [InlineData(5, 5)]
    [InlineData(4, 255)]
    public void Any_threshold_of_shares_gives_the_secret_and_fewer_do_not(int threshold, int count)
    {
        var secret = RandomNumberGenerator.GetBytes(32);
        var shares = SecretSharing.Split(secret, threshold, count).Select((s, i) => (i + 1, s)).ToArray();
        for (var i = 0; i < 20; i++)
        {
            RandomNumberGenerator.Shuffle<(int, byte[])>(shares);
            Assert.Equal(secret, SecretSharing.Combine(shares[..threshold]));
            if (threshold > 2)
                Assert.NotEqual(secret, SecretSharing.Combine(shares[..(threshold - 1)]));
        }
        Assert.NotEqual(secret, shares[0].s);
    }

    [Fact]
    public void Fewer_shares_than_the_threshold_fit_any_secret()
    {
        // For one octet and a threshold of 2, each value of a share comes up for each secret.
        var seen = new HashSet<(byte Secret, byte Share)>();
        for (var i = 0; i < 60_000; i++)
        {
            var secret = (byte)(i & 3);
            seen.Add((secret, SecretSharing.Split([secret], 2, 2)[1][0]));
        }
        Assert.Equal(4 * 256, seen.Count);
    }

    [Fact]
    public async Task Another_program_puts_our_shares_together_and_we_its()
    {
        using var directory = new TempDirectory();
        var secret = RandomNumberGenerator.GetBytes(32);
        var shares = SecretSharing.Split(secret, 3, 5);
        foreach (var number in new[] { 1, 3, 5 })
            await File.WriteAllBytesAsync(directory[$"ours.{number:000}"], shares[number - 1], Cancel);
        (await Tool.RunAsync("gfcombine", ["-o", directory["out"], directory["ours.001"], directory["ours.003"], directory["ours.005"]])).Checked();
        Assert.Equal(secret, await File.ReadAllBytesAsync(directory["out"], Cancel));

        await File.WriteAllBytesAsync(directory["theirs"], secret, Cancel);
        (await Tool.RunAsync("gfsplit", ["-n", "2", "-m", "4", directory["theirs"]])).Checked();
        var split = Directory.GetFiles(directory.Path, "theirs.*").Where(f => Path.GetExtension(f).Length == 4)
            .Select(f => (int.Parse(Path.GetExtension(f)[1..], null), File.ReadAllBytes(f))).Take(2).ToList();
        Assert.Equal(secret, SecretSharing.Combine(split));
    }

    [Fact]
    public void Shares_that_do_not_belong_together_are_refused()
    {
        Assert.Throws<CryptographicException>(() => SecretSharing.Combine([(1, new byte[4])]));
        Assert.Throws<CryptographicException>(() => SecretSharing.Combine([(1, new byte[4]), (1, new byte[4])]));
        Assert.Throws<CryptographicException>(() => SecretSharing.Combine([(1, new byte[4]), (2, new byte[5])]));
        Assert.Throws<CryptographicException>(() => SecretSharing.Combine([(0, new byte[4]), (2, new byte[4])]));
        Assert.Throws<ArgumentException>(() => SecretSharing.Split(new byte[4], 1, 3));
        Assert.Throws<ArgumentException>(() => SecretSharing.Split(new byte[4], 4, 3));
    }

    [Fact]
    public void A_printed_share_is_typed_in_again_and_typing_errors_are_told()
    {
        var secret = RandomNumberGenerator.GetBytes(32);
        var share = VaultShare.Protect(new VaultShare("1-abcd", 2, 5, 3, "Ünal von der Post", 1000, []), secret, "pässword 1");
        var text = share.ToText();
        Assert.Contains("share: 2 of 5, any 3 restore", text, StringComparison.Ordinal);
        Assert.DoesNotContain(Convert.ToHexString(secret), text.Replace(" ", "", StringComparison.Ordinal), StringComparison.Ordinal);
        var typed = VaultShare.Parse(text.Replace("data: ", "data:   ", StringComparison.Ordinal).Replace("\n", "\r\n\r\n", StringComparison.Ordinal));
        Assert.Equal(secret, typed.Open("pässword 1"));
        Assert.Throws<CryptographicException>(() => typed.Open("pässword 2"));

        var at = text.IndexOf("data: ", StringComparison.Ordinal) + 8;
        var wrong = text[..at] + (text[at] == '0' ? '1' : '0') + text[(at + 1)..];
        Assert.Contains("checksum", Assert.Throws<InvalidDataException>(() => VaultShare.Parse(wrong)).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidDataException>(() => VaultShare.Parse(text.Replace("2 of 5", "3 of 5", StringComparison.Ordinal)));
        Assert.Throws<InvalidDataException>(() => VaultShare.Parse(text[..at] + "O" + text[(at + 1)..]));
        Assert.Throws<InvalidDataException>(() => VaultShare.Parse("share: 1"));
        Assert.Throws<InvalidDataException>(() => VaultShare.Parse(""));
    }
}
