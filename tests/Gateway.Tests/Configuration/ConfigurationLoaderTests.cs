using System.Text.Json;
using GatewaySecure.Gateway.Configuration;
using GatewaySecure.Policies;
using GatewaySecure.TestKit;
using GatewaySecure.Trust.Revocation;

namespace GatewaySecure.Gateway.Tests.Configuration;

public sealed class ConfigurationLoaderTests
{
    private static readonly string Cases = Path.Combine(Repository.Root, "tests", "Gateway.Tests", "Configuration", "cases");

    public static TheoryData<string> CaseFiles =>
        [.. Directory.EnumerateFiles(Cases, "*.yaml").Select(p => Path.GetFileNameWithoutExtension(p)!)];

    /// <summary>Each case stands beside the problems that must be found, all of them, in the file's order.</summary>
    [Theory]
    [MemberData(nameof(CaseFiles))]
    public void Every_problem_is_found_with_line_and_key(string name)
    {
        var expected = File.ReadAllLines(Path.Combine(Cases, name + ".expected"));
        var result = ConfigurationLoader.Load(Path.Combine(Cases, name + ".yaml"));
        Assert.Equal(expected, result.Problems.Select(p => $"{(p.IsError ? "error" : "warning")} {p}".Replace(Cases, "CASES", StringComparison.Ordinal)));
        Assert.Equal(expected.All(l => !l.StartsWith("error", StringComparison.Ordinal)), result.Configuration is not null);
    }

    [Fact]
    public void A_missing_file_is_a_plain_problem()
    {
        var result = ConfigurationLoader.Load(Path.Combine(Cases, "nobody.yaml"));
        Assert.Contains("is not there; copy", Assert.Single(result.Problems).Message, StringComparison.Ordinal);
        Assert.Null(result.Configuration);
    }

    [Fact]
    public void The_sample_can_be_used_as_it_is()
    {
        var result = ConfigurationLoader.Load(Path.Combine(Repository.Root, "config", "gateway.sample.yaml"));
        Assert.Empty(result.Problems);
        var sample = result.Configuration!;
        Assert.Equal(["no mail to the competition", "inside", "partners", "on request"], sample.Policy.Rules.Select(r => r.Name));
        Assert.Equal(100L << 20, sample.Listeners[0].MaxMessageSize);
        Assert.True(PasswordHash.Verify("change-me", sample.Users[0].PasswordHash));
    }

    [Fact]
    public void What_the_sample_says_is_the_default_and_means_what_is_left_out()
    {
        var sample = ConfigurationLoader.Load(Path.Combine(Repository.Root, "config", "gateway.sample.yaml")).Configuration!;
        var minimal = ConfigurationLoader.Load(Path.Combine(Cases, "minimal.yaml")).Configuration!;
        Assert.Equal(JsonSerializer.Serialize(minimal.Queue), JsonSerializer.Serialize(sample.Queue));
        Assert.Equal(minimal.Limits, sample.Limits);
        Assert.Equal(minimal.Kdc, sample.Kdc);
        Assert.Equal(minimal.Signing, sample.Signing);
        Assert.Equal(RevocationPolicy.WhereKnown, minimal.Certificates.Revocation.Policy);
        Assert.Equal(ListenerTls.StartTls, minimal.Listeners[0].Tls);
        Assert.Equal(sample.Listeners[0].MaxMessageSize, minimal.Listeners[0].MaxMessageSize);
    }

    [Fact]
    public void A_fallback_method_joins_the_list_and_then_the_mail_is_held()
    {
        using var folder = new TempDirectory();
        File.WriteAllText(folder["g.yaml"], File.ReadAllText(Path.Combine(Cases, "minimal.yaml")) + """
            rules:
              - name: inside first
                method: kdc
                when-unavailable: ca
            """);
        var outcome = Assert.Single(ConfigurationLoader.Load(folder["g.yaml"]).Configuration!.Policy.Rules).Outcome;
        Assert.Equal([ProtectionMethod.Kdc, ProtectionMethod.Ca], outcome.Methods);
        Assert.Equal(WhenUnavailable.Hold, outcome.WhenUnavailable);
    }

    [Fact]
    public void Authorities_inherit_what_they_do_not_say()
    {
        using var folder = new TempDirectory();
        File.WriteAllText(folder["g.yaml"], File.ReadAllText(Path.Combine(Cases, "minimal.yaml")) + """
            certificates:
              revocation: required
              grace: 3d
              authorities:
                - name: CN=Partner CA, O=Partner
                  wait: 1h
                  crls: [http://pki.partner.example/ca.crl]
                - name: CN=Other
                  revocation: where-known
              fetch: { ocsp: true, every: 2h }
            signing: { rsa-padding: pss }
            """);
        var result = ConfigurationLoader.Load(folder["g.yaml"]);
        Assert.Empty(result.Problems);
        var certificates = result.Configuration!.Certificates;
        Assert.Equal(new RevocationRule(RevocationPolicy.Required, TimeSpan.FromDays(3), TimeSpan.FromHours(1)), certificates.Authorities[0].Rule);
        Assert.Equal(RevocationPolicy.WhereKnown, certificates.Authorities[1].Rule.Policy);
        Assert.Equal(RevocationRule.DefaultWait, certificates.Revocation.Wait);
        Assert.True(certificates.Fetch is { Ocsp: true, NamedCrls: true, PrivateAddresses: false } && certificates.Fetch.Every == TimeSpan.FromHours(2));
        Assert.Equal(System.Security.Cryptography.RSASignaturePadding.Pss, result.Configuration.Signing.Padding);
    }

    [Fact]
    public void The_schema_knows_the_keys_that_the_loader_knows()
    {
        using var schema = JsonDocument.Parse(File.ReadAllText(Path.Combine(Repository.Root, "config", "gateway.schema.json")));
        foreach (var (section, keys) in ConfigurationKeys.All)
        {
            var node = section.Length == 0 ? schema.RootElement : schema.RootElement.GetProperty("$defs").GetProperty(section);
            Assert.Equal(keys.Order(), node.GetProperty("properties").EnumerateObject().Select(p => p.Name).Order());
            Assert.False(node.GetProperty("additionalProperties").GetBoolean());
        }
    }
}
