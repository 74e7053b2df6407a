using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

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
    public async Task Dsa_signatures_of_rfc4134_are_reported_as_not_checked(string name)
    {
        var (outcome, _) = await Sealed.OpenAsync(await ReadAsync(Vectors(), name), new OpeningKeys());
        var mail = Assert.IsType<OpenOutcome.Opened>(outcome).Mail;
        Assert.False(mail.SignatureTrusted);
        Assert.Contains(mail.Verdicts, v => v.Level == VerdictLevel.Bad && v.Text.Contains("could not be checked", StringComparison.Ordinal));
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
