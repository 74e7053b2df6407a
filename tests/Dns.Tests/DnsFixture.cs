using GatewaySecure.TestKit;

[assembly: AssemblyFixture(typeof(GatewaySecure.Dns.Tests.DnsFixture))]

namespace GatewaySecure.Dns.Tests;

/// <summary>One private DNS for all tests that only ask.</summary>
public sealed class DnsFixture : IAsyncLifetime
{
    public PrivateDns Dns { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Dns = await PrivateDns.StartAsync(
        new DnsZone("secure.test", """
            @        MX   10 MX1
            @        MX   20 mx2.secure.test.
            mx1      A    127.0.0.2
            mx1      AAAA ::1
            mx2      A    127.0.0.3
            null     MX   0 .
            alias    CNAME mx1
            far      CNAME host.plain.test.
            short    60 A 127.0.0.4
            txt      TXT  "v=TLSRPTv1; " "rua=mailto:a@x"
            txt      TXT  "second"
            _mta-sts TXT  "v=STSv1; id=1"
            _25._tcp.mx1 TLSA 3 1 1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff
            """ + "\n" + string.Join('\n', Enumerable.Range(0, 30).Select(i => $"big TXT \"{i:d3}{new string('x', 200)}\""))),
        new DnsZone("plain.test", "host A 127.0.0.5\nback CNAME host.secure.test.", ZoneTrust.Insecure),
        new DnsZone("bogus.test", "@ MX 10 mx\nmx A 127.0.0.6", ZoneTrust.Bogus),
        new DnsZone("127.in-addr.arpa", "1.0.0 PTR mx1.secure.test.", ZoneTrust.Insecure));

    public ValueTask DisposeAsync() => Dns.DisposeAsync();
}
