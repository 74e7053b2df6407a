using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.MailProtection.Recipients;

namespace GatewaySecure.MailProtection.Tests;

/// <summary>The messages of RFC 4134. Its algorithms are old: read with a warning, or refused by name.</summary>
public sealed class PublishedVectorsTests
{
    [Fact]
    public async Task Triple_des_of_rfc4134_is_decrypted_and_its_content_refused_because_it_is_no_mime_entity()
    {
        var folder = Vectors();
        using var key = RSA.Create();
        key.ImportPkcs8PrivateKey(await ReadAsync(folder, "BobPrivRSAEncrypt.pri"), out _);
        var keys = new OpeningKeys
        {
            SmimeKeys = [new SmimeKey(X509CertificateLoader.LoadCertificate(await ReadAsync(folder, "BobRSASignByCarl.cer")), key)],
        };
        var (outcome, output) = await Sealed.OpenAsync(await ReadAsync(folder, "5.3.eml"), keys);
        var refused = Assert.IsType<OpenOutcome.Refused>(outcome);
        Assert.Equal(OpenFailure.Damaged, refused.Failure);
        Assert.Contains(refused.Verdicts, v => v.Text.Contains("Triple-DES", StringComparison.Ordinal));
        Assert.Empty(output);
    }

    [Theory]
    [InlineData("4.8.eml")]
    [InlineData("4.9.eml")]
    public async Task Dsa_signatures_of_rfc4134_hold_and_are_warned_of(string name)
    {
        var folder = Vectors();
        var anchor = X509CertificateLoader.LoadCertificate(await ReadAsync(folder, "CarlDSSSelf.cer"));
        var keys = new OpeningKeys { Trust = CertificateDirectory.Create([], [anchor]) };
        // The samples' From is not the certificate's address; it is not signed, so it can be set right.
        var sample = System.Text.Encoding.Latin1.GetString(await ReadAsync(folder, name))
            .Replace("aliceDss@examples.com", "AliceDSS@example.com", StringComparison.OrdinalIgnoreCase);
        var (outcome, _) = await Sealed.OpenAsync(System.Text.Encoding.Latin1.GetBytes(sample), keys);
        var mail = Assert.IsType<OpenOutcome.Opened>(outcome).Mail;
        Assert.False(mail.SignatureTrusted);
        var verdict = Assert.Single(mail.Verdicts, v => v.Text.StartsWith("Signed by", StringComparison.Ordinal));
        Assert.Equal(VerdictLevel.Warning, verdict.Level);
        Assert.Contains("SHA-1", verdict.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Changed_text_of_rfc4134_is_told()
    {
        var text = System.Text.Encoding.Latin1.GetString(await ReadAsync(Vectors(), "4.8.eml")).Replace("This is some sample content.", "This is some simple content.", StringComparison.Ordinal);
        var (outcome, _) = await Sealed.OpenAsync(System.Text.Encoding.Latin1.GetBytes(text), new OpeningKeys());
        Assert.IsType<OpenOutcome.Refused>(outcome);
    }

    private static Task<byte[]> ReadAsync(string folder, string name) =>
        File.ReadAllBytesAsync(Path.Combine(folder, name), TestContext.Current.CancellationToken);

    /// <summary>Beside the repository, where there are any.</summary>
    private static string Vectors()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var vectors = Path.Combine(folder.FullName, "shared", "vectors", "rfc4134");
            if (Directory.Exists(vectors))
                return vectors;
        }
        Assert.Skip("The vectors of RFC 4134 are not beside the repository.");
        return "";
    }
}
