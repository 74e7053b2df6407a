using GatewaySecure.Gateway.Delivery;
using GatewaySecure.Gateway.Tests.Queue;
using GatewaySecure.MailProtection;
using GatewaySecure.Policies;
using GatewaySecure.TestKit;

namespace GatewaySecure.Gateway.Tests.Delivery;

public sealed class EmlDirectoryNextHopTests
{
    [Fact]
    public async Task A_mail_becomes_one_file_with_its_envelope_on_top()
    {
        using var bench = new QueueBench();
        using var folder = new TempDirectory();
        var item = await bench.PutAsync(QueueBench.Wants(ProtectionMethod.Normal), [QueueBench.To("a@partner.example")]);
        var message = ((ProtectionOutcome.Ready)new MailProtector(bench.Time).PassThrough(item.Content, false)).Message;
        var hop = new EmlDirectoryNextHop("eml", folder["out"], bench.Time);
        var result = Assert.Single(await hop.DeliverAsync(item.Mail.Envelope, message, QueueBench.Cancel));
        Assert.True(result.Reply.IsPositive);
        var file = Assert.Single(Directory.GetFiles(folder["out"]));
        Assert.EndsWith(".eml", file, StringComparison.Ordinal);
        Assert.StartsWith(
            "X-Envelope-From: <alice@inside.example>\r\nX-Envelope-To: <a@partner.example>\r\nFrom: alice@inside.example\r\n",
            await File.ReadAllTextAsync(file, QueueBench.Cancel),
            StringComparison.Ordinal);
    }
}
