using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Trust.Revocation;
using Org.BouncyCastle.Ocsp;

namespace GatewaySecure.Trust.Tests;

/// <summary>Lists and answers beyond what PKITS has: outages by rule, OCSP, deltas, hostile sizes.</summary>
public sealed class RevocationTests
{
    private static readonly Authority s_root = Authority.Root();
    private static readonly Authority s_ca = s_root.Below("CN=CA");
    private static readonly X509Certificate2 s_alice = s_ca.Issue("CN=Alice");

    [Theory]
    [InlineData(RevocationPolicy.Off, 0, null)]
    [InlineData(RevocationPolicy.WhereKnown, 0, null)]
    [InlineData(RevocationPolicy.Required, 0, RejectionReason.RevocationStale)]
    [InlineData(RevocationPolicy.Required, 2, RejectionReason.RevocationStale)]
    [InlineData(RevocationPolicy.Required, 4, null)]
    public void A_stale_list_serves_as_the_rule_says(RevocationPolicy policy, int graceDays, RejectionReason? expected)
    {
        var stale = s_ca.List([], Authority.Now.AddDays(-10), Authority.Now.AddDays(-3));
        var verdict = Judge(s_alice, new(policy, TimeSpan.FromDays(graceDays)), [s_root.List([]), stale]);
        Assert.Equal(expected, verdict.Rejections.SingleOrDefault()?.Reason);
        Assert.Equal(expected is null && policy == RevocationPolicy.Required, verdict.Notes.Any(n => n.Contains("within its grace", StringComparison.Ordinal)));
        Assert.All(verdict.Rejections, r => Assert.True(r.IsTemporary));
    }

    [Fact]
    public void A_revocation_in_a_stale_list_holds_whatever_the_grace()
    {
        var stale = s_ca.List([s_alice], Authority.Now.AddDays(-10), Authority.Now.AddDays(-3));
        foreach (var policy in (RevocationPolicy[])[RevocationPolicy.WhereKnown, RevocationPolicy.Required])
        {
            var rejection = Assert.Single(Judge(s_alice, new(policy, TimeSpan.FromDays(30)), [s_root.List([]), stale]).Rejections);
            Assert.Equal(RejectionReason.Revoked, rejection.Reason);
            Assert.False(rejection.IsTemporary);
            Assert.Equal("It was revoked on 2026-11-10 because its key was compromised.", rejection.Text);
        }
    }

    [Fact]
    public void An_authority_has_its_own_rule_beside_the_general_one()
    {
        var rules = new RevocationRules(new(RevocationPolicy.Required), [new(s_ca.Certificate.SubjectName, new(RevocationPolicy.WhereKnown))]);
        var validator = new PathValidator([s_root.Certificate], [s_ca.Certificate], RevocationSnapshot.Create([s_root.List([])]), rules);
        Assert.True(validator.Validate(s_alice, [], Authority.Now).IsGood);
        var without = new PathValidator([s_root.Certificate], [s_ca.Certificate], RevocationSnapshot.Empty, rules);
        Assert.Equal(RejectionReason.RevocationUnknown, Assert.Single(without.Validate(s_alice, [], Authority.Now).Rejections).Reason);
    }

    [Fact]
    public void A_list_that_another_authority_signed_says_nothing()
    {
        var other = s_root.Below("CN=Other");
        var forged = s_ca.List([s_alice], signer: other);
        Assert.Equal(RejectionReason.RevocationUnknown, Judge(s_alice, Required, [s_root.List([]), forged]).Rejections.Single().Reason);
        Assert.True(RevocationList.TryParse(forged, out var list, out _));
        var validator = new PathValidator([s_root.Certificate], [s_ca.Certificate, other.Certificate], RevocationSnapshot.Empty, new(Required));
        Assert.Equal("Its signature is not by its issuer's key.", validator.WhyNotSigned(list, Authority.Now));
        Assert.True(RevocationList.TryParse(s_ca.List([]), out var true_, out _));
        Assert.Null(validator.WhyNotSigned(true_, Authority.Now));
    }

    [Fact]
    public void A_delta_adds_a_revocation_and_takes_one_back()
    {
        var bob = s_ca.Issue("CN=Bob");
        var complete = s_ca.List([bob], number: 5, reason: 6);
        Assert.Equal("It was suspended on 2026-11-19.", Judge(bob, Required, [s_root.List([]), complete]).Rejections.Single().Text);
        Assert.True(Judge(bob, Required, [s_root.List([]), complete, s_ca.List([bob], number: 6, baseNumber: 5, reason: 8)]).IsGood);
        Assert.Equal(
            RejectionReason.Revoked, Judge(s_alice, Required, [s_root.List([]), complete, s_ca.List([s_alice], number: 6, baseNumber: 5)]).Rejections.Single().Reason);
        // One that builds on a list that is not here says nothing.
        Assert.True(Judge(s_alice, Required, [s_root.List([]), complete, s_ca.List([s_alice], number: 8, baseNumber: 7)]).IsGood);
    }

    [Fact]
    public void A_revoked_authority_is_told_and_everything_below_it_is_refused()
    {
        var rejection = Assert.Single(Judge(s_alice, Required, [s_root.List([s_ca.Certificate]), s_ca.List([])]).Rejections);
        Assert.Equal(RejectionReason.Revoked, rejection.Reason);
        Assert.StartsWith("The authority CN=CA above it was revoked", rejection.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void An_ocsp_answer_counts_where_the_issuer_or_its_responder_signed_it()
    {
        var good = s_ca.Answer(s_alice, CertificateStatus.Good);
        Assert.True(JudgeByOcsp(s_alice, good).IsGood);
        Assert.True(JudgeByOcsp(s_alice, s_ca.Answer(s_alice, CertificateStatus.Good, s_ca.Responder())).IsGood);
        Assert.Equal(
            RejectionReason.Revoked,
            JudgeByOcsp(s_alice, s_ca.Answer(s_alice, new RevokedStatus(Authority.Now.AddDays(-2).UtcDateTime, 4))).Rejections.Single().Reason);
    }

    [Fact]
    public void An_ocsp_answer_of_anybody_else_or_about_anything_else_or_of_yesterday_says_nothing()
    {
        var other = s_root.Below("CN=Other");
        var now = Authority.Now;
        byte[][] worthless =
        [
            s_ca.Answer(s_alice, CertificateStatus.Good, s_ca.Responder(forOcsp: false)),
            s_ca.Answer(s_alice, CertificateStatus.Good, other.Responder()),
            s_ca.Answer(s_alice, CertificateStatus.Good, other),
            s_ca.Answer(s_ca.Issue("CN=Bob"), CertificateStatus.Good),
            other.Answer(s_alice, CertificateStatus.Good),
            s_ca.Answer(s_alice, new UnknownStatus()),
        ];
        Assert.All(worthless, w => Assert.Equal(RejectionReason.RevocationUnknown, JudgeByOcsp(s_alice, w).Rejections.Single().Reason));
        var stale = s_ca.Answer(s_alice, CertificateStatus.Good, thisUpdate: now.AddDays(-3), nextUpdate: now.AddDays(-2));
        Assert.Equal(RejectionReason.RevocationStale, JudgeByOcsp(s_alice, stale).Rejections.Single().Reason);
    }

    [Fact]
    public void An_answer_with_another_nonce_is_refused_and_one_without_is_taken()
    {
        var question = OcspQuestion.About(s_alice, s_ca.Certificate);
        Assert.True(OcspAnswer.TryParse(s_ca.Answer(s_alice, CertificateStatus.Good, nonce: question.Nonce), question.Nonce, out _, out _));
        Assert.True(OcspAnswer.TryParse(s_ca.Answer(s_alice, CertificateStatus.Good), question.Nonce, out _, out _));
        Assert.False(OcspAnswer.TryParse(s_ca.Answer(s_alice, CertificateStatus.Good, nonce: new byte[32]), question.Nonce, out _, out var problem));
        Assert.Contains("nonce", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_no_list_and_no_answer_is_told_and_never_thrown()
    {
        var list = s_ca.List([s_alice]);
        var answer = s_ca.Answer(s_alice, CertificateStatus.Good);
        for (var i = 0; i < 400; i++)
        {
            var random = new Random(i);
            Assert.True(RevocationList.TryParse(Damage(list, random), out var damaged, out _) || damaged is null);
            Assert.True(OcspAnswer.TryParse(Damage(answer, random), null, out var answers, out _) || answers is null);
        }
        Assert.False(RevocationList.TryParse(new byte[] { 0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 0x30 }, out _, out var problem));
        Assert.Contains("malformed", problem, StringComparison.Ordinal);
        Assert.False(OcspAnswer.TryParse([0x30, 0x03, 0x0A, 0x01, 0x03], null, out _, out var later));
        Assert.Contains("gave no answer", later, StringComparison.Ordinal);
    }

    [Fact]
    public void A_list_of_a_hundred_thousand_is_searched_in_place()
    {
        var many = new Org.BouncyCastle.X509.X509V2CrlGenerator();
        many.SetIssuerDN(Org.BouncyCastle.Asn1.X509.X509Name.GetInstance(s_ca.Certificate.SubjectName.RawData));
        many.SetThisUpdate(Authority.Now.AddDays(-1).UtcDateTime);
        many.SetNextUpdate(Authority.Now.AddDays(1).UtcDateTime);
        for (var i = 0; i < 100_000; i++)
            many.AddCrlEntry(Org.BouncyCastle.Math.BigInteger.ValueOf(1_000_000L + (i * 7)), Authority.Now.AddDays(-2).UtcDateTime, 0);
        many.AddCrlEntry(new Org.BouncyCastle.Math.BigInteger(s_alice.SerialNumberBytes.ToArray()), Authority.Now.AddDays(-2).UtcDateTime, 0);
        var der = many.Generate(new Org.BouncyCastle.Crypto.Operators.Asn1SignatureFactory(
            "SHA256WITHRSA", Org.BouncyCastle.Security.DotNetUtilities.GetRsaKeyPair(s_ca.Key).Private)).GetEncoded();
        var before = GC.GetAllocatedBytesForCurrentThread();
        var verdict = Judge(s_alice, Required, [s_root.List([]), der]);
        Assert.Equal(RejectionReason.Revoked, verdict.Rejections.Single().Reason);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 100L * 100_000 * 10);
    }

    private static RevocationRule Required { get; } = new(RevocationPolicy.Required);

    private static PathVerdict Judge(X509Certificate2 certificate, RevocationRule rule, IEnumerable<byte[]> lists) =>
        new PathValidator([s_root.Certificate], [s_ca.Certificate], RevocationSnapshot.Create(lists), new(rule)).Validate(certificate, [], Authority.Now);

    private static PathVerdict JudgeByOcsp(X509Certificate2 certificate, byte[] response)
    {
        Assert.True(OcspAnswer.TryParse(response, null, out var answers, out var problem), problem);
        return new PathValidator([s_root.Certificate], [s_ca.Certificate], RevocationSnapshot.Create([s_root.List([])], answers), new(Required))
            .Validate(certificate, [], Authority.Now);
    }

    private static byte[] Damage(byte[] octets, Random random)
    {
        var copy = (byte[])octets.Clone();
        for (var i = 0; i < 3; i++)
            copy[random.Next(copy.Length)] = (byte)random.Next(256);
        return random.Next(4) == 0 ? copy[..random.Next(copy.Length)] : copy;
    }
}
