using System.Text;
using GatewaySecure.TestKit;

namespace GatewaySecure.MailProtection.Tests;

/// <summary>Mail from alice@example.org, made by <c>openssl cms</c>.</summary>
internal sealed class OpensslMail : IDisposable
{
    public const string Head = "From: alice@example.org\r\nSubject: s\r\n";

    private readonly TempDirectory _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <param name="options">The cipher, then <c>-keyopt</c> and what follows, for the last recipient.</param>
    public async Task<byte[]> EncryptAsync(byte[] entity, string options, params Leaf[] recipients)
    {
        await WriteAsync("entity", entity);
        var words = options.Split(' ');
        var cipher = words.TakeWhile(w => w != "-keyopt").ToArray();
        var to = new List<string>();
        foreach (var (i, recipient) in recipients.Index())
        {
            await WriteAsync($"to{i}.pem", Encoding.ASCII.GetBytes(recipient.Certificate.ExportCertificatePem()));
            to.AddRange(["-recip", _folder[$"to{i}.pem"]]);
        }
        return AsMail(await Tool.RunAsync("openssl", [
            "cms", "-encrypt", "-in", _folder["entity"], "-binary", "-crlfeol", .. cipher, .. to, .. words.Skip(cipher.Length)]));
    }

    public async Task<byte[]> SignAsync(byte[] entity, string options, params Leaf[] signers)
    {
        await WriteAsync("entity", entity);
        var by = new List<string>();
        foreach (var (i, signer) in signers.Index())
        {
            await WriteAsync($"s{i}.pem", Encoding.ASCII.GetBytes(signer.Certificate.ExportCertificatePem()));
            await WriteAsync($"s{i}.key", Encoding.ASCII.GetBytes(signer.KeyPem));
            by.AddRange(["-signer", _folder[$"s{i}.pem"], "-inkey", _folder[$"s{i}.key"]]);
        }
        return AsMail(await Tool.RunAsync("openssl", [
            "cms", "-sign", "-in", _folder["entity"], "-binary", "-crlfeol", .. by, .. options.Split(' ', StringSplitOptions.RemoveEmptyEntries)]));
    }

    private Task WriteAsync(string name, byte[] octets) => File.WriteAllBytesAsync(_folder[name], octets, TestContext.Current.CancellationToken);

    private static byte[] AsMail(ToolResult result) => Encoding.ASCII.GetBytes(Head + result.Checked().Text.ReplaceLineEndings("\r\n"));
}
