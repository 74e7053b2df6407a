using GatewaySecure.Dns;
using GatewaySecure.MailRouting.TlsReports;
using GatewaySecure.TestKit;

[assembly: AssemblyFixture(typeof(GatewaySecure.MailRouting.Tests.RoutingFixture))]

namespace GatewaySecure.MailRouting.Tests;

/// <summary>One private DNS for all tests that only ask.</summary>
public sealed class RoutingFixture : IAsyncLifetime
{
    private const string Digest = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    public PrivateDns Dns { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Dns = await PrivateDns.StartAsync(
        new DnsZone("secure.test", $"""
            @          MX 10 mx
            mx         A 127.3.0.1
            mx         AAAA ::1
            _25._tcp.mx TLSA 3 1 1 {Digest}
            order      MX 20 c.order
            order      MX 10 a.order
            order      MX 10 b.order
            a.order    A 127.3.1.1
            b.order    A 127.3.1.2
            c.order    A 127.3.1.3
            nodane     MX 10 a.order
            null       MX 0 .
            host       A 127.3.0.2
            nothing    TXT "no mail here"
            dead       MX 10 nowhere
            loop       MX 10 first
            loop       MX 20 gateway
            loop       MX 30 behind
            first      A 127.3.2.1
            gateway    A 127.3.2.2
            behind     A 127.3.2.3
            only       MX 10 gateway
            byaddress  MX 10 other
            byaddress  MX 5 first
            other      A 127.3.2.2
            alias      MX 10 named
            named      CNAME mx
            away       MX 10 farmx
            farmx      CNAME mx.plain.test.
            _25._tcp.farmx TLSA 3 1 1 {Digest}
            hidden     MX 10 mx.hidden
            hidden     MX 20 mx
            mx.hidden  A 127.3.0.3
            allhidden  MX 10 mx.hidden
            unusable   MX 10 mx.unusable
            mx.unusable A 127.3.0.4
            _25._tcp.mx.unusable TLSA 0 1 1 {Digest}
            _25._tcp.mx.unusable TLSA 3 1 9 00
            shadow     CNAME alias
            """ + "\n" + string.Join('\n', Enumerable.Range(0, 40).Select(i => $"many MX {i} h{i}.many\nh{i}.many A 127.4.0.{i}"))),
        new DnsZone("_tcp.mx.hidden.secure.test", $"_25 TLSA 3 1 1 {Digest}", ZoneTrust.Bogus),
        new DnsZone("plain.test", $"""
            @  MX 10 mx
            mx A 127.3.0.9
            _25._tcp.mx TLSA 3 1 1 {Digest}
            """, ZoneTrust.Insecure),
        new DnsZone("bogus.test", "@ MX 10 mx\nmx A 127.3.0.8", ZoneTrust.Bogus));

    public ValueTask DisposeAsync() => Dns.DisposeAsync();

    public DnsResolver Resolver(bool trusted = true) => Resolver(Dns, TimeProvider.System, trusted);

    public static DnsResolver Resolver(PrivateDns dns, TimeProvider time, bool trusted = true) =>
        new(new DnsResolverOptions { Servers = [dns.Resolver], TrustAuthenticated = trusted }, time);
}

/// <summary>Keeps what it is told.</summary>
internal sealed class SessionList : ITlsSessionCounter
{
    public List<TlsSession> Sessions { get; } = [];

    public void Count(TlsSession session) => Sessions.Add(session);
}
