using System.Text;
using GatewaySecure.MailProtection;

namespace GatewaySecure.Gateway.Tests.Delivery;

/// <summary>Mail as delivery gets it: settled how it is protected, here not at all.</summary>
internal static class SendableMails
{
    public static SendableMessage Make(string text = "Subject: x\r\n\r\nbody\r\n") =>
        Assert.IsType<ProtectionOutcome.Ready>(
            new MailProtector(TimeProvider.System).PassThrough(new Content(Encoding.ASCII.GetBytes(text)), mayHoldEightBit: false)).Message;

    private sealed class Content(byte[] octets) : IMailContent
    {
        public long Length => octets.Length;

        public Stream OpenRead() => new MemoryStream(octets, writable: false);
    }
}
