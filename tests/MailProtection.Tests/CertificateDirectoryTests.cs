using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.MailProtection.Recipients;
using GatewaySecure.TestKit;
using GatewaySecure.Trust;
using GatewaySecure.Trust.Revocation;

namespace GatewaySecure.MailProtection.Tests;

/// <summary>Which certificate is taken, and why the others are not.</summary>
public sealed class CertificateDirectoryTests
{
    private const string Bob = "bob@partner.example";
    private static readonly Pki Pki = Pki.Shared;
    private static readonly Leaf Good = Pki.Rsa(Bob);

    public static TheoryData<RejectionReason> Reasons => [.. Enum.GetValues<RejectionReason>()];

    [Theory]
    [MemberData(nameof(Reasons))]
    public void Every_reason_against_a_certificate_is_found_and_told(RejectionReason reason)
    {
        var (leaf, directory) = reason switch
        {
            RejectionReason.Expired => With(Pki.Rsa(Bob, options: new() { Until = Pki.Now.AddDays(-1) })),
            RejectionReason.NotYetValid => With(Pki.Rsa(Bob, options: new() { From = Pki.Now.AddDays(1) })),
            RejectionReason.KeyUsage => With(Pki.Rsa(Bob, options: new() { KeyUsage = X509KeyUsageFlags.DigitalSignature })),
            RejectionReason.ExtendedKeyUsage => With(Pki.Rsa(Bob, options: new() { ExtendedKeyUsage = "1.3.6.1.5.5.7.3.1" })),
            RejectionReason.WeakKey => With(Pki.Rsa(Bob, bits: 1024)),
            RejectionReason.UnsupportedKey => With(Pki.Ec(Bob, ECCurve.NamedCurves.brainpoolP256r1)),
            RejectionReason.Untrusted => (Good, CertificateDirectory.Create([Good.Certificate], [OtherRoot()], [Pki.Intermediate])),
            RejectionReason.PathExpired => ExpiredAuthority(),
            RejectionReason.PathInvalid => SelfMadeAuthority(),
            RejectionReason.Revoked => With(Good, RevocationPolicy.WhereKnown, Pki.Crl([Good.Certificate])),
            RejectionReason.RevocationUnknown => With(Good, RevocationPolicy.Required),
            _ => With(Good, RevocationPolicy.Required, Pki.Crl([], nextUpdate: Pki.Now.AddHours(-1)), Pki.RootCrl()),
        };
        var choice = directory.Select(Sealed.Address(Bob), Pki.Now);
        Assert.Null(choice.Chosen);
        Assert.Contains(Assert.Single(choice.Candidates).Rejections, r => r.Reason == reason);
        Assert.Contains(leaf.Certificate.SerialNumber, choice.Describe());
    }

    [Fact]
    public void Expired_certificate_does_not_hide_a_valid_one_and_the_newest_valid_wins()
    {
        var expired = Pki.Rsa(Bob, options: new() { From = Pki.Now.AddDays(-5), Until = Pki.Now.AddDays(-1) });
        var newer = Pki.Rsa(Bob, options: new() { From = Pki.Now.AddDays(-10) });
        var directory = Directory([expired, Good, newer]);
        var choice = directory.Select(Sealed.Address("BOB@Partner.example"), Pki.Now);
        Assert.Equal(newer.Certificate.Thumbprint, choice.Chosen!.Certificate.Thumbprint);
        Assert.Equal(3, choice.Candidates.Length);
        Assert.Contains("expired", choice.Describe());
    }

    [Fact]
    public void An_organisations_certificate_serves_who_has_none_where_its_gateway_opens_mail()
    {
        var domain = Pki.Rsa("domain-confidentiality-authority@partner.example");
        var expired = Pki.Rsa("carol@partner.example", options: new() { Until = Pki.Now.AddDays(-1) });
        var options = new TrustOptions { HasDomainCertificate = a => a.Domain.ToString() == "partner.example" };
        var directory = CertificateDirectory.Create([domain.Certificate, Good.Certificate, expired.Certificate], [Pki.Root], [Pki.Intermediate], options: options);
        var dana = directory.Select(Sealed.Address("dana@partner.example"), Pki.Now);
        Assert.Equal(domain.Certificate.Thumbprint, dana.Chosen!.Certificate.Thumbprint);
        Assert.Contains("by the organisation's certificate", dana.Describe());
        // His own comes first, and what is wrong with hers is told.
        Assert.False(directory.Select(Sealed.Address(Bob), Pki.Now).IsOfDomain);
        var carol = directory.Select(Sealed.Address("carol@partner.example"), Pki.Now);
        Assert.True(carol.IsOfDomain);
        Assert.Contains("expired", carol.Describe());
        // Of no other domain, not where nobody said so, and not when it is revoked.
        Assert.Null(directory.Select(Sealed.Address("dana@sub.partner.example"), Pki.Now).Chosen);
        Assert.Null(CertificateDirectory.Create([domain.Certificate], [Pki.Root], [Pki.Intermediate]).Select(Sealed.Address("dana@partner.example"), Pki.Now).Chosen);
        var revoked = CertificateDirectory.Create([domain.Certificate], [Pki.Root], [Pki.Intermediate], [Pki.Crl([domain.Certificate])], options);
        Assert.Contains("revoked", revoked.Select(Sealed.Address("dana@partner.example"), Pki.Now).Describe());
    }

    [Fact]
    public void Revocation_holds_even_where_the_list_is_stale()
    {
        var (_, directory) = With(Good, RevocationPolicy.WhereKnown, Pki.Crl([Good.Certificate], Pki.Now.AddDays(-30), Pki.Now.AddDays(-20)));
        Assert.Null(directory.Select(Sealed.Address(Bob), Pki.Now).Chosen);
    }

    [Fact]
    public void Current_lists_of_the_whole_path_satisfy_the_strict_policy()
    {
        var (_, directory) = With(Good, RevocationPolicy.Required, Pki.Crl([]), Pki.RootCrl());
        Assert.NotNull(directory.Select(Sealed.Address(Bob), Pki.Now).Chosen);
    }

    [Fact]
    public void Revoked_authority_takes_its_certificates_with_it()
    {
        var (_, directory) = With(Good, RevocationPolicy.WhereKnown, Pki.RootCrl(Pki.Intermediate));
        Assert.Contains(directory.Select(Sealed.Address(Bob), Pki.Now).Candidates[0].Rejections, r => r.Reason == RejectionReason.Revoked);
    }

    [Fact]
    public void List_that_the_authority_did_not_sign_counts_for_nothing()
    {
        using var stranger = RSA.Create(2048);
        var (_, directory) = With(Good, RevocationPolicy.WhereKnown, Pki.Crl([Good.Certificate], key: stranger));
        Assert.NotNull(directory.Select(Sealed.Address(Bob), Pki.Now).Chosen);
        (_, directory) = With(Good, RevocationPolicy.Required, Pki.Crl([], key: stranger), Pki.RootCrl());
        Assert.Contains(
            directory.Select(Sealed.Address(Bob), Pki.Now).Candidates[0].Rejections, r => r.Reason == RejectionReason.RevocationUnknown);
    }

    [Fact]
    public void Certificate_that_expires_is_not_served_from_the_cache()
    {
        var shortLived = Pki.Rsa(Bob, options: new() { Until = Pki.Now.AddSeconds(20) });
        var directory = Directory([shortLived]);
        Assert.NotNull(directory.Select(Sealed.Address(Bob), Pki.Now).Chosen);
        Assert.Null(directory.Select(Sealed.Address(Bob), Pki.Now.AddSeconds(30)).Chosen);
    }

    [Fact]
    public void Folders_are_read_in_pem_and_der_and_bad_files_are_named()
    {
        using var folder = new TempDirectory();
        var der = Pki.Rsa("dora@partner.example");
        File.WriteAllText(folder["bob.pem"], Good.Certificate.ExportCertificatePem());
        File.WriteAllBytes(folder["dora.cer"], der.Certificate.RawData);
        File.WriteAllText(folder["broken.crt"], "nothing");
        File.WriteAllText(folder["empty.crl"], "nothing");
        File.WriteAllText(folder["notes.txt"], "ignored");
        using var trust = new TempDirectory();
        File.WriteAllText(trust["all.pem"], Pki.Root.ExportCertificatePem());
        File.WriteAllBytes(trust["ca.p7b"], new X509Certificate2Collection(Pki.Intermediate).Export(X509ContentType.Pkcs7)!);
        var directory = CertificateDirectory.Load(new DirectoryFolders
        {
            Recipients = [folder.Path],
            Anchors = [trust.Path],
            Intermediates = [trust.Path],
            RevocationLists = [folder.Path],
        });
        Assert.NotNull(directory.Select(Sealed.Address(Bob), Pki.Now).Chosen);
        Assert.NotNull(directory.Select(Sealed.Address("dora@partner.example"), Pki.Now).Chosen);
        Assert.Contains(directory.Problems, p => p.Contains("broken.crt", StringComparison.Ordinal));
        Assert.Contains(directory.Problems, p => p.Contains("CRL", StringComparison.Ordinal));
        Assert.Equal(2, directory.Problems.Length);
    }

    [Fact]
    public async Task Many_that_ask_at_once_about_a_certificate_that_nobody_looked_at_hear_the_same()
    {
        for (var round = 0; round < 60; round++)
        {
            var fresh = X509CertificateLoader.LoadCertificate(Good.Certificate.RawData);
            var directory = CertificateDirectory.Create([fresh], [Pki.Root], [Pki.Intermediate]);
            using var start = new Barrier(4);
            var threads = Enumerable.Range(0, 4).Select(_ => Task.Factory.StartNew(
                () =>
                {
                    start.SignalAndWait();
                    return directory.Select(Sealed.Address(Bob), Pki.Now);
                },
                TestContext.Current.CancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default)).ToArray();
            Assert.All(await Task.WhenAll(threads), choice => Assert.True(choice.Chosen is not null, choice.Describe()));
        }
    }

    private static (Leaf Leaf, CertificateDirectory Directory) With(
        Leaf leaf, RevocationPolicy revocation = RevocationPolicy.WhereKnown, params byte[][] lists) =>
        (leaf, Directory([leaf], revocation, lists));

    private static CertificateDirectory Directory(Leaf[] leaves, RevocationPolicy revocation = RevocationPolicy.WhereKnown, params byte[][] lists) =>
        CertificateDirectory.Create(
            leaves.Select(l => l.Certificate), [Pki.Root], [Pki.Intermediate], lists, new TrustOptions { Revocation = new(new(revocation)) });

    private static X509Certificate2 OtherRoot()
    {
        using var key = RSA.Create(2048);
        return new CertificateRequest("CN=Other", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            .CreateSelfSigned(Pki.Now.AddYears(-1), Pki.Now.AddYears(1));
    }

    private static (Leaf Leaf, CertificateDirectory Directory) ExpiredAuthority()
    {
        using var key = RSA.Create(2048);
        var authority = Pki.IssueAuthority("CN=Old CA", key, Pki.Now.AddYears(-4), Pki.Now.AddDays(-1));
        return Below(authority, key);
    }

    /// <summary>An end entity that issues certificates.</summary>
    private static (Leaf Leaf, CertificateDirectory Directory) SelfMadeAuthority() => Below(Good.Certificate, (RSA)Good.Key);

    private static (Leaf Leaf, CertificateDirectory Directory) Below(X509Certificate2 authority, RSA authorityKey)
    {
        var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=Bob", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddEmailAddress(Bob);
        request.CertificateExtensions.Add(names.Build());
        var certificate = request.Create(
            authority.SubjectName,
            X509SignatureGenerator.CreateForRSA(authorityKey, RSASignaturePadding.Pkcs1),
            Pki.Now.AddDays(-30),
            Pki.Now.AddDays(30),
            [7]);
        var leaf = new Leaf(X509CertificateLoader.LoadCertificate(certificate.RawData), key);
        return (leaf, CertificateDirectory.Create([leaf.Certificate], [Pki.Root], [Pki.Intermediate, authority]));
    }
}
