using System.Globalization;
using System.Text;
using GatewaySecure.Addresses;
using GatewaySecure.MailProtection;
using GatewaySecure.MailProtection.Recipients;

namespace GatewaySecure.Bench.Smime;

/// <summary>
/// Sign-and-encrypt of one message into nothing, against the same primitives called from C. Both are processor time of the whole process,
/// for the same number of messages in turns; RSA-2048 twice, AES-256-CBC, SHA-256, base64.
/// </summary>
internal static class SmimeBench
{
    private const string Sender = "sender@inside.example";
    private const string Recipient = "reader@partner.example";

    public static async Task RunAsync(Effort effort, Report report)
    {
        using var work = Tree.MakeWorkDirectory();
        using var keys = new BenchKeys(Sender, Recipient);
        var evp = await EvpProgram.BuildAsync(work, keys, keys.SignerKey);
        var sealing = new Sealing(keys);
        report.Begin("smime: sign (RSA-2048) and encrypt (RSA-2048, AES-256-CBC) one message, processor time", "ours", "EVP in C");
        // Until the platform has compiled to its best code.
        var small = new MemoryContent(Message(MailSizes.All[0]));
        for (var end = DateTime.UtcNow + TimeSpan.FromSeconds(3); DateTime.UtcNow < end;)
            await sealing.MeasureAsync(small, 20);
        foreach (var size in MailSizes.All)
            report.Add(await CompareAsync(effort, sealing, evp, size));
    }

    private static async Task<Result> CompareAsync(Effort effort, Sealing sealing, EvpProgram evp, int size)
    {
        var content = new MemoryContent(Message(size));
        var encrypted = await sealing.EncryptedLengthAsync(content);
        await sealing.MeasureAsync(content, messages: 10);
        var messages = effort.CountFor(1e6 / await evp.MeasureAsync(size, encrypted, messages: 10), atLeast: 5);
        var medians = await effort.TakeTurnsAsync(
            () => sealing.MeasureAsync(content, messages),
            () => evp.MeasureAsync(size, encrypted, messages));
        return Result.LessIsBetter($"smime {MailSizes.Name(size)}", medians[0], medians[1], "µs/message");
    }

    private static byte[] Message(int bodySize)
    {
        var text = new StringBuilder(bodySize + 400)
            .Append(CultureInfo.InvariantCulture, $"From: {Sender}\r\nTo: {Recipient}\r\n")
            .Append("Date: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@inside.example>\r\nSubject: Report\r\n")
            .Append("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n");
        for (var left = bodySize; left > 0; left -= 78)
            text.Append('x', Math.Max(0, Math.Min(left, 78) - 2)).Append("\r\n");
        return Encoding.ASCII.GetBytes(text.ToString());
    }

    /// <summary>Our side.</summary>
    private sealed class Sealing(BenchKeys keys)
    {
        private readonly MailProtector _protector = new(TimeProvider.System);
        private readonly SmimeSigner _signer = new(keys.Signer, keys.SignerKey);
        private readonly CertificateDirectory _directory = CertificateDirectory.Create([keys.Recipient], [keys.Root]);

        /// <returns>Microseconds of processor time for one message, all threads of this process together.</returns>
        public async Task<double> MeasureAsync(MemoryContent content, int messages)
        {
            var before = Environment.CpuUsage.TotalTime;
            for (var i = 0; i < messages; i++)
                await (await SealAsync(content)).WriteToAsync(Stream.Null, CancellationToken.None);
            return (Environment.CpuUsage.TotalTime - before).TotalMicroseconds / messages;
        }

        /// <summary>How many octets are encrypted for this content: it, its signature, and their MIME structure.</summary>
        public async Task<long> EncryptedLengthAsync(MemoryContent content)
        {
            using var written = new MemoryStream();
            await (await SealAsync(content)).WriteToAsync(written, CancellationToken.None);
            var octets = written.GetBuffer().AsSpan(0, (int)written.Length);
            var body = octets[(octets.IndexOf("\r\n\r\n"u8) + 4)..];
            return Convert.FromBase64String(Encoding.ASCII.GetString(body)).Length;
        }

        private async Task<SendableMessage> SealAsync(MemoryContent content)
        {
            var order = new SmimeOrder(content, [MailAddress.Parse(Recipient)], _signer, _directory, DateTimeOffset.UnixEpoch);
            return await _protector.SealCaAsync(order, CancellationToken.None) is ProtectionOutcome.Ready ready
                ? ready.Message
                : throw new InvalidOperationException("The message was not sealed.");
        }
    }

    private sealed class MemoryContent(byte[] octets) : IMailContent
    {
        public long Length => octets.Length;

        public Stream OpenRead() => new MemoryStream(octets, writable: false);
    }
}
