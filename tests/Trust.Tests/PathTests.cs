using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Trust.Revocation;

namespace GatewaySecure.Trust.Tests;

/// <summary>Paths beyond what PKITS has: several of them, hostile ones, weak ones.</summary>
public sealed class PathTests
{
    private static readonly Authority s_root = Authority.Root();

    [Fact]
    public void Of_two_paths_the_one_that_holds_is_taken()
    {
        var other = Authority.Root("CN=Other Root");
        var ca = s_root.Below("CN=CA");
        var cross = other.CrossCertify(ca);
        var alice = ca.Issue("CN=Alice");
        var verdict = new PathValidator(
                [s_root.Certificate, other.Certificate], [ca.Certificate, cross],
                RevocationSnapshot.Create([s_root.List([ca.Certificate]), other.List([]), ca.List([])]), new(new(RevocationPolicy.Required)))
            .Validate(alice, [], Authority.Now);
        Assert.True(verdict.IsGood, string.Join(' ', verdict.Rejections.Select(r => r.Text)));
        Assert.Equal("CN=Other Root", verdict.Path[^1].Subject);
    }

    [Fact]
    public void A_maze_of_certificates_that_came_along_is_searched_only_so_far()
    {
        // Ten authorities that all certified one another, and none of them by an anchor.
        var stranger = Authority.Root("CN=Stranger");
        var maze = Enumerable.Range(0, 8).Select(i => stranger.Below($"CN=Maze {i}")).ToArray();
        var along = maze.SelectMany(a => maze.Where(b => b != a).Select(b => a.CrossCertify(b))).ToArray();
        var verdict = Validator().Validate(maze[0].Issue("CN=Mallory"), along, Authority.Now);
        Assert.Equal(RejectionReason.Untrusted, Assert.Single(verdict.Rejections).Reason);
    }

    [Fact]
    public void A_certificate_with_ten_thousand_names_is_refused_for_that()
    {
        var crowd = s_root.Issue("CN=Crowd", request =>
        {
            var names = new SubjectAlternativeNameBuilder();
            for (var i = 0; i < 10_000; i++)
                names.AddEmailAddress($"user{i}@partner.example");
            request.CertificateExtensions.Add(names.Build());
        });
        var rejection = Assert.Single(Validator().Validate(crowd, [], Authority.Now).Rejections);
        Assert.Equal(RejectionReason.PathInvalid, rejection.Reason);
        Assert.Contains("more than 1000 names", rejection.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Sha1_and_short_keys_above_are_weaknesses_and_no_faults()
    {
        var small = s_root.Below("CN=Small", bits: 1024);
        var verdict = Validator(small.Certificate).Validate(small.Issue("CN=Alice"), [], Authority.Now);
        Assert.True(verdict.IsGood);
        Assert.Equal("The RSA key of CN=Small has 1024 bits only.", Assert.Single(verdict.Weaknesses));
        var old = Validator().Validate(s_root.IssueWithSha1("CN=Old"), [], Authority.Now);
        Assert.True(old.IsGood);
        Assert.Equal("The signature on CN=Old uses SHA-1.", Assert.Single(old.Weaknesses));
    }

    [Fact]
    public void A_certificate_that_is_an_anchor_is_trusted_as_it_is_and_no_longer_than_it_says()
    {
        var partner = Authority.Root("CN=Partner");
        var validator = new PathValidator([partner.Certificate], [], RevocationSnapshot.Empty, new(new(RevocationPolicy.Required)));
        Assert.True(validator.Validate(partner.Certificate, [], Authority.Now).IsGood);
        Assert.Equal(RejectionReason.PathExpired, validator.Validate(partner.Certificate, [], Authority.Now.AddYears(11)).Rejections.Single().Reason);
    }

    [Fact]
    public void Names_that_differ_in_case_and_white_space_alone_are_the_same_and_a_slash_in_one_hides_nothing()
    {
        Assert.Equal(Key("CN=Test  CA,O=Example"), Key("CN=test ca,O=EXAMPLE"));
        Assert.NotEqual(Key("CN=a/2.5.4.10\\=b"), Key("O=b,CN=a"));
        Assert.NotEqual(Key("CN=a+O=b"), Key("CN=\"a+2.5.4.10=b\""));
        static string Key(string name) => NameKeys.OfName(new X500DistinguishedName(name).RawData);
    }

    private static PathValidator Validator(params X509Certificate2[] intermediates) =>
        new([s_root.Certificate], intermediates, RevocationSnapshot.Empty, new(new(RevocationPolicy.WhereKnown)));
}
