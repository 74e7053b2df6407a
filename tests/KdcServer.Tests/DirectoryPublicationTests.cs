using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Addresses;
using GatewaySecure.CertificateAuthority;
using GatewaySecure.KdcCore;
using GatewaySecure.KdcServer.Configuration;
using GatewaySecure.KdcServer.Hosting;
using GatewaySecure.TestKit;
using Microsoft.Extensions.Logging.Abstractions;

namespace GatewaySecure.KdcServer.Tests;

/// <summary>Encryption certificates in a real directory, read by Debian's <c>ldapsearch</c>.</summary>
public sealed class DirectoryPublicationTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_good_encryption_certificate_stands_in_its_holders_entry_and_goes_when_it_is_revoked()
    {
        await using var slapd = await PrivateSlapd.StartAsync(people: 2);
        using var directory = new TempDirectory();
        await File.WriteAllTextAsync(directory["password"], PrivateSlapd.Password + "\n", Cancel);
        await using var kdc = await RunningKdc.StartWithCaAsync();
        using var ca = IssuingCa.Open(kdc.Keys, kdc.Configuration, KdcState.At(kdc.State), TimeProvider.System)!;
        var address = MailAddress.Parse("person1@example.org");
        var user = await kdc.Operator.CreateAsync(PrincipalKind.User, "Person 1", [address], [], null, Cancel);
        using var key = RSA.Create(2048);
        var order = new CertificateOrder(CertificateUse.MailEncryption, "Person 1", user.Id, [address], [], "test");
        using var certificate = await ca.Authority.IssueForKeyAsync(key.ExportSubjectPublicKeyInfo(), order, Cancel);
        using var signing = await ca.Authority.IssueForKeyAsync(key.ExportSubjectPublicKeyInfo(), order with { Use = CertificateUse.MailSigning }, Cancel);

        var target = new LdapPublication(slapd.Url, PrivateSlapd.People, "mail", PrivateSlapd.Admin, directory["password"]);
        await using var publication = new DirectoryPublication(target, kdc.Keys.Database, TimeProvider.System, NullLogger.Instance);
        Assert.Equal(1, await publication.PublishAsync(Cancel));
        Assert.Contains($"userCertificate;binary:: {Convert.ToBase64String(certificate.RawData)}\n", await SearchAsync(slapd), StringComparison.Ordinal);
        Assert.Single((await SearchAsync(slapd)).Split("userCertificate;binary::").Skip(1));
        Assert.Equal(0, await publication.PublishAsync(Cancel));

        await ca.Authority.RevokeAsync(certificate.SerialNumber, RevocationReason.KeyCompromise, "test", Cancel);
        Assert.Equal(1, await publication.PublishAsync(Cancel));
        Assert.DoesNotContain("userCertificate", await SearchAsync(slapd), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_directory_that_is_away_is_asked_again_and_then_has_everything()
    {
        await using var slapd = await PrivateSlapd.StartAsync(people: 1);
        using var directory = new TempDirectory();
        await File.WriteAllTextAsync(directory["password"], "another password\n", Cancel);
        await using var kdc = await RunningKdc.StartWithCaAsync();
        using var ca = IssuingCa.Open(kdc.Keys, kdc.Configuration, KdcState.At(kdc.State), TimeProvider.System)!;
        var address = MailAddress.Parse("person1@example.org");
        var user = await kdc.Operator.CreateAsync(PrincipalKind.User, "Person 1", [address], [], null, Cancel);
        using var key = RSA.Create(2048);
        using var certificate = await ca.Authority.IssueForKeyAsync(
            key.ExportSubjectPublicKeyInfo(), new CertificateOrder(CertificateUse.MailEncryption, "Person 1", user.Id, [address], [], "test"), Cancel);
        var target = new LdapPublication(slapd.Url, PrivateSlapd.People, "mail", PrivateSlapd.Admin, directory["password"]);
        await using var publication = new DirectoryPublication(target, kdc.Keys.Database, TimeProvider.System, NullLogger.Instance);
        await Assert.ThrowsAnyAsync<System.DirectoryServices.Protocols.DirectoryException>(() => publication.PublishAsync(Cancel));
        await File.WriteAllTextAsync(directory["password"], PrivateSlapd.Password, Cancel);
        Assert.Equal(1, await publication.PublishAsync(Cancel));
        Assert.Contains("userCertificate;binary", await SearchAsync(slapd), StringComparison.Ordinal);
    }

    private static async Task<string> SearchAsync(PrivateSlapd slapd) => (await Tool.RunAsync(
        "ldapsearch", ["-x", "-LLL", "-o", "ldif-wrap=no", "-H", slapd.Url.ToString(), "-b", PrivateSlapd.People, "(mail=person1@example.org)", "userCertificate;binary"])).Checked().All;
}
