using System.Security.Cryptography;
using System.Text;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>Size costs time, not memory.</summary>
public sealed class LargeMailTests(ITestOutputHelper output)
{
    private const long Size = 200L << 20;
    private const long Allowed = 64L << 20;
    private const string PartnerAddress = "partner@partner.example";

    [Theory]
    [InlineData("normal", "someone@outside.example")]
    [InlineData("ca", PartnerAddress)]
    [InlineData("kdc", "bob@example.org")]
    [InlineData("normal", "someone@outside.example", true)]
    [InlineData("ca", PartnerAddress, true)]
    public async Task Two_hundred_megabytes_pass_in_less_than_64_more(string method, string recipient, bool isSigned = false)
    {
        var cancel = TestContext.Current.CancellationToken;
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true });
        using var partner = new Partner(PartnerAddress);
        using var dkim = isSigned ? await DkimKeys.MakeAsync() : null;
        await using var gateway = new GatewayProcess(new GatewaySetup { NextHopPort = sink.Port, More = dkim?.Lines ?? "" });
        partner.TellAuthority(gateway);
        partner.TellCertificate(gateway);
        await gateway.StartAsync();
        var bob = method == "kdc" ? await CardHolder.IssueAsync(gateway, "bob@example.org") : null;
        if (bob is not null)
            await CardHolder.IssueAsync(gateway, "alice@example.org");

        // Everything that is loaded and compiled once is loaded and compiled before it counts.
        for (var warm = 0; warm < 3; warm++)
            await SubmitAsync(gateway, recipient, 64 << 10);
        await sink.WaitForAsync(3, TimeSpan.FromSeconds(60));
        await Task.Delay(300, cancel);
        var before = gateway.Child.ReadMemory().Resident;
        gateway.Child.ResetPeakMemory();
        var sent = await SubmitAsync(gateway, recipient, Size);
        await sink.WaitForAsync(4, TimeSpan.FromSeconds(120));
        var growth = gateway.Child.ReadMemory().Peak - before;
        output.WriteLine($"{method}{(isSigned ? " with DKIM" : "")}: {before >> 20} MB resident before, grew by {growth >> 20} MB");

        var arrived = sink.Messages[3].Content;
        var file = gateway["large.eml"];
        await File.WriteAllBytesAsync(file, arrived, cancel);
        switch (method)
        {
            case "normal":
                Assert.Equal(sent, Convert.ToHexString(SHA256.HashData(Mails.BodyOf(arrived))));
                break;
            case "ca":
                Assert.Equal(sent, await BodyHashAsync(await partner.OpenAsync(file, gateway)));
                break;
            default:
                var clear = gateway["large-clear.eml"];
                var opened = await bob!.OpenAsync(file, clear);
                Assert.True(opened.ExitCode == 0, opened.All);
                Assert.Equal(sent, await BodyHashAsync(clear));
                break;
        }
        if (dkim is not null)
        {
            Assert.StartsWith("DKIM-Signature:", Encoding.Latin1.GetString(arrived.AsSpan(0, 100)), StringComparison.Ordinal);
            await using var dns = await PrivateDns.StartAsync(dkim.Zone);
            Assert.Equal("pass\npass\n", await DkimKeys.VerifyAsync(arrived, dns));
        }
        Assert.True(growth < Allowed, $"The gateway grew by {growth >> 20} MB.");
    }

    /// <returns>The hash of the body that was sent.</returns>
    private static async Task<string> SubmitAsync(GatewayProcess gateway, string recipient, long size)
    {
        using var talker = await SmtpTalker.GreetAsync(gateway.SubmissionPort);
        Assert.StartsWith("220", await talker.SayAsync("STARTTLS"), StringComparison.Ordinal);
        await talker.StartTlsAsync();
        await talker.SayAsync("EHLO client.test.invalid");
        var credentials = Convert.ToBase64String(Encoding.UTF8.GetBytes($"\0alice\0{GatewaySetup.Password}"));
        Assert.StartsWith("235", await talker.SayAsync("AUTH PLAIN " + credentials), StringComparison.Ordinal);
        Assert.StartsWith("354", await talker.OfferAsync("alice@example.org", recipient), StringComparison.Ordinal);
        await talker.SendAsync($"From: alice@example.org\r\nTo: {recipient}\r\nMessage-ID: <{Mails.NewId()}>\r\nSubject: Large\r\n"
            + "MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n");
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var block = new byte[78 * 1024];
        for (var left = size; left > 0; left -= block.Length)
        {
            FillWithLines(block);
            hash.AppendData(block);
            await talker.SendAsync(block);
        }
        await talker.SendAsync(".\r\n");
        Assert.StartsWith("250", await talker.ReadReplyAsync(), StringComparison.Ordinal);
        return Convert.ToHexString(hash.GetHashAndReset());
    }

    /// <summary>Base64 of random octets, in lines of 76.</summary>
    private static void FillWithLines(byte[] block)
    {
        var random = Convert.ToBase64String(RandomNumberGenerator.GetBytes(block.Length / 78 * 57));
        for (var line = 0; line < block.Length / 78; line++)
        {
            Encoding.ASCII.GetBytes(random.AsSpan(line * 76, 76), block.AsSpan(line * 78));
            "\r\n"u8.CopyTo(block.AsSpan(line * 78 + 76));
        }
    }

    private static async Task<string> BodyHashAsync(string file) =>
        Convert.ToHexString(SHA256.HashData(Mails.BodyOf(await File.ReadAllBytesAsync(file))));
}
