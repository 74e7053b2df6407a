using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Trust.Revocation;

namespace GatewaySecure.Trust.Tests;

/// <summary>NIST's PKITS: each case with the anchor, the intermediates and the lists that it names, at a date in 2012, revocation required.</summary>
public sealed class PkitsTests
{
    private static readonly DateTimeOffset s_at = new(2012, 6, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>Where we differ from the suite, and why. A difference may only be stricter.</summary>
    private static readonly Dictionary<string, string> s_stricter = new()
    {
        ["Section1ValidDSAParameterInheritanceTest5"] =
            "DSA is read where a key brings its parameters; one that inherits them from its issuer is not, as nobody uses it for mail.",
        ["Section14ValidcRLIssuerTest30"] =
            "The only list that tells of the list signer's own certificate is the one that it signs. We don't let a key vouch for itself.",
    };

    public static TheoryData<string> Names =>
        PkitsSuite.Cases.IsEmpty ? ["absent"] : [.. PkitsSuite.Cases.Select(c => c.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Pkits_case_has_the_verdict_that_nist_published(string name)
    {
        if (PkitsSuite.Folder is null)
            Assert.Skip("The vectors of PKITS are not beside the repository.");
        var test = PkitsSuite.Cases.Single(c => c.Name == name);
        var verdict = Judge(test);
        if (s_stricter.TryGetValue(name, out var reason))
        {
            Assert.True(test.IsValid, "No difference may accept what PKITS rejects.");
            Assert.False(verdict.IsGood, $"No difference any more: {reason}");
            return;
        }
        Assert.True(test.IsValid == verdict.IsGood, $"{test.Number} {name}: {string.Join(' ', verdict.Rejections.Select(r => r.Text))}");
        if (verdict.IsGood && test.ExpectedPolicies is { } expected)
            Assert.Equal(expected.Order(StringComparer.Ordinal), verdict.Policies.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Pkits_has_every_case_of_its_manifest_once()
    {
        if (PkitsSuite.Folder is null)
            Assert.Skip("The vectors of PKITS are not beside the repository.");
        Assert.Equal(249, PkitsSuite.Cases.Select(c => c.Name).Distinct().Count());
        Assert.Empty(s_stricter.Keys.Except(PkitsSuite.Cases.Select(c => c.Name)));
    }

    private static PathVerdict Judge(PkitsCase test)
    {
        var certificates = test.Certificates.Select(Certificate).ToArray();
        var problems = new List<string>();
        var lists = test.Lists.Select(l => File.ReadAllBytes(Path.Combine(PkitsSuite.Folder!, "crls", l + ".crl")));
        var validator = new PathValidator(
            [certificates[0]], certificates[1..^1], RevocationSnapshot.Create(lists, problems: problems), new RevocationRules(new(RevocationPolicy.Required)),
            test.Policies);
        return validator.Validate(certificates[^1], [], s_at);
    }

    private static X509Certificate2 Certificate(string name) =>
        X509CertificateLoader.LoadCertificateFromFile(Path.Combine(PkitsSuite.Folder!, "certs", name + ".crt"));
}
