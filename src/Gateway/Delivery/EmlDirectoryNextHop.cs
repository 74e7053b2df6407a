using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.MailProtection;
using GatewaySecure.Smtp;
using GatewaySecure.Smtp.Client;

namespace GatewaySecure.Gateway.Delivery;

/// <summary>
/// For trials: each mail becomes a file <c>*.eml</c> that mail programs open. The envelope stands in two fields above the message,
/// <c>X-Envelope-From</c> and <c>X-Envelope-To</c>.
/// </summary>
internal sealed class EmlDirectoryNextHop(string name, string directory, TimeProvider time) : INextHop
{
    public string Name => name;

    public int Connections => 4;

    public bool IsLast => true;

    public async ValueTask<ImmutableArray<RecipientResult>> DeliverAsync(
        Envelope envelope, SendableMessage message, CancellationToken cancellationToken)
    {
        try
        {
            return await WriteAsync(envelope, message, cancellationToken);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new DeliveryException($"{name}: {e.Message}", e);
        }
    }

    private async ValueTask<ImmutableArray<RecipientResult>> WriteAsync(
        Envelope envelope, SendableMessage message, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(directory);
        var now = time.GetUtcNow();
        var file = Path.Combine(directory, $"{now.ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture)}-{QueueId.Create(now)}.eml");
        // A reader never sees half a file: it is written aside and renamed.
        var aside = file + ".tmp";
        try
        {
            await using (var stream = new FileStream(aside, FileMode.CreateNew, FileAccess.Write, FileShare.None, 64 << 10, useAsync: true))
            {
                var fields = new StringBuilder().Append("X-Envelope-From: <").Append(envelope.Sender).Append(">\r\n");
                foreach (var recipient in envelope.Recipients)
                    fields.Append("X-Envelope-To: <").Append(recipient.Address).Append(">\r\n");
                await stream.WriteAsync(Encoding.UTF8.GetBytes(fields.ToString()), cancellationToken);
                await message.WriteToAsync(stream, cancellationToken);
                await stream.FlushAsync(cancellationToken);
                stream.Flush(flushToDisk: true);
            }
            File.Move(aside, file);
            Posix.SyncDirectory(directory);
        }
        catch
        {
            File.Delete(aside);
            throw;
        }
        var reply = new SmtpReply(250, "2.0.0", $"Written to {Path.GetFileName(file)}");
        return [.. envelope.Recipients.Select(r => new RecipientResult(r, reply, DsnRelayed: false))];
    }
}
