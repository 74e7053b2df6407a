using System.Text;
using GatewaySecure.EndToEnd.Tests;
using GatewaySecure.TestKit;

[assembly: AssemblyFixture(typeof(GatewayFixture))]

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>
/// One gateway for all tests that leave it running: behind it a real Postfix with a Maildir and a sink that keeps octets; outside a partner
/// with a certificate, inside alice and bob with cards.
/// </summary>
public sealed class GatewayFixture : IAsyncLifetime
{
    internal const string PartnerAddress = "partner@partner.example";

    internal GatewayProcess Gateway { get; private set; } = null!;

    internal PrivatePostfix Postfix { get; private set; } = null!;

    internal SmtpSink Sink { get; } = new(new SmtpSinkOptions { Keep = true, Keywords = ["PIPELINING", "SIZE", "8BITMIME", "ENHANCEDSTATUSCODES", "CHUNKING"] });

    /// <summary>Knows no CHUNKING: mail must come by DATA.</summary>
    internal SmtpSink DataSink { get; } = new(new SmtpSinkOptions { Keep = true });

    internal Partner Partner { get; } = new(PartnerAddress, "partner@sink.partner.example");

    internal CardHolder Alice { get; private set; } = null!;

    internal CardHolder Bob { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Postfix = await PrivatePostfix.StartAsync(new PostfixOptions());
        Gateway = new GatewayProcess(new GatewaySetup { NextHopPort = Postfix.Port, SinkPort = Sink.Port, DataSinkPort = DataSink.Port });
        Partner.TellAuthority(Gateway);
        Partner.TellCertificate(Gateway);
        await Gateway.StartAsync();
        // Beside the running gateway, as an operator would.
        Alice = await CardHolder.IssueAsync(Gateway, "alice@example.org");
        Bob = await CardHolder.IssueAsync(Gateway, "bob@example.org");
    }

    public async ValueTask DisposeAsync()
    {
        if (Gateway is not null)
            await Gateway.DisposeAsync();
        if (Postfix is not null)
            await Postfix.DisposeAsync();
        await Sink.DisposeAsync();
        await DataSink.DisposeAsync();
        Partner.Dispose();
    }

    /// <summary>Sends one mail as alice with swaks: STARTTLS, AUTH.</summary>
    internal Task<ToolResult> SwaksAsync(string recipient, string text) => Gateway.SwaksAsync(recipient, text);

    /// <summary>Waits for a mail in Postfix's Maildir that holds the text.</summary>
    /// <returns>Its file.</returns>
    internal async Task<string> DeliveredAsync(string text)
    {
        var until = DateTime.UtcNow.AddSeconds(30);
        while (DateTime.UtcNow < until)
        {
            if (Delivered(text).FirstOrDefault() is { } found)
                return found;
            await Task.Delay(50);
        }
        throw new TimeoutException($"Nothing with '{text}' was delivered in time. The gateway said:\n{string.Join('\n', Gateway.Child.Log.TakeLast(30))}");
    }

    /// <summary>Waits for a mail in one of the sinks that holds the text.</summary>
    internal async Task<SinkMessage> SunkAsync(string text)
    {
        var until = DateTime.UtcNow.AddSeconds(30);
        var octets = Encoding.Latin1.GetBytes(text);
        while (DateTime.UtcNow < until)
        {
            if (Sink.Messages.Concat(DataSink.Messages).FirstOrDefault(m => m.Content.AsSpan().IndexOf(octets) >= 0) is { } found)
                return found;
            await Task.Delay(50);
        }
        throw new TimeoutException($"Nothing with '{text}' came in time. The gateway said:\n{string.Join('\n', Gateway.Child.Log.TakeLast(30))}");
    }

    /// <summary>The Maildir's files that hold the text.</summary>
    internal IEnumerable<string> Delivered(string text) => Directory.Exists(Postfix.DeliveredDirectory)
        ? Directory.EnumerateFiles(Postfix.DeliveredDirectory).Where(f => File.ReadAllText(f, Encoding.Latin1).Contains(text, StringComparison.Ordinal))
        : [];
}
