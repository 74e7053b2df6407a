namespace GatewaySecure.MailAuthentication.Tests;

/// <summary>One client that claims a sender, and what RFC 7208 says of it.</summary>
public sealed record SpfCase(string Address, string Sender, string Expected, string Helo = "client.spf.test");

/// <summary>The table: a zone, and clients to check against it.</summary>
internal static class SpfCases
{
    public const string Zone = """
        host       A    192.0.2.5
        host       AAAA 2001:db8::5
        mail       A    192.0.2.25
        backup     A    198.51.100.25
        plain      TXT  "v=spf1 ip4:192.0.2.0/24 -all"
        six        TXT  "v=spf1 ip6:2001:db8::/32 ~all"
        soft       TXT  "v=spf1 ip4:192.0.2.1 ~all"
        neutral    TXT  "v=spf1 ip4:192.0.2.1 ?all"
        open       TXT  "v=spf1 ip4:192.0.2.1"
        a          TXT  "v=spf1 a:host.spf.test -all"
        anet       TXT  "v=spf1 a:host.spf.test/24 -all"
        asix       TXT  "v=spf1 a:host.spf.test/24//64 -all"
        mx         TXT  "v=spf1 mx -all"
        mx         MX   10 mail
        mx         MX   20 backup
        manymx     TXT  "v=spf1 mx -all"
        manymx     MX   1 m1
        manymx     MX   2 m2
        manymx     MX   3 m3
        manymx     MX   4 m4
        manymx     MX   5 m5
        manymx     MX   6 m6
        manymx     MX   7 m7
        manymx     MX   8 m8
        manymx     MX   9 m9
        manymx     MX   10 m10
        manymx     MX   11 m11
        ptr        TXT  "v=spf1 ptr:spf.test -all"
        include    TXT  "v=spf1 include:plain.spf.test -all"
        includes   TXT  "v=spf1 include:soft.spf.test ip4:203.0.113.1 -all"
        nowhere    TXT  "v=spf1 include:nothing.spf.test -all"
        redirect   TXT  "v=spf1 redirect=plain.spf.test"
        lost       TXT  "v=spf1 redirect=nothing.spf.test"
        late       TXT  "v=spf1 redirect=soft.spf.test -all"
        exists     TXT  "v=spf1 exists:%{ir}.%{l}.allow.spf.test -all"
        1.2.0.192.bob.allow A 127.0.0.2
        macro      TXT  "v=spf1 exists:%{l1r-}.%{d2}.m.spf.test -all"
        bob.spf.test.m A 127.0.0.2
        helo       TXT  "v=spf1 exists:%{h}.h.spf.test -all"
        client.spf.test.h A 127.0.0.2
        explained  TXT  "v=spf1 -all exp=why.spf.test"
        twoexp     TXT  "v=spf1 -all exp=why.spf.test exp=why.spf.test"
        unknown    TXT  "v=spf1 future=%{d}ly ip4:192.0.2.1 -all"
        badmacro   TXT  "v=spf1 future=%{q} ip4:192.0.2.1 -all"
        badterm    TXT  "v=spf1 ip4:192.0.2.1 nonsense -all"
        badip      TXT  "v=spf1 ip4:192.0.2 -all"
        badprefix  TXT  "v=spf1 ip4:192.0.2.0/33 -all"
        badall     TXT  "v=spf1 all:spf.test"
        double     TXT  "v=spf1 ip4:192.0.2.1 -all"
        double     TXT  "v=spf1 ip4:192.0.2.2 -all"
        almost     TXT  "v=spf10 ip4:192.0.2.1 -all"
        upper      TXT  "V=SPF1 IP4:192.0.2.1 -ALL"
        loop       TXT  "v=spf1 include:loop.spf.test -all"
        ten        TXT  "v=spf1 a:host.spf.test a:host.spf.test a:host.spf.test a:host.spf.test a:host.spf.test a:host.spf.test a:host.spf.test a:host.spf.test a:host.spf.test a:host.spf.test ip4:203.0.113.1 -all"
        eleven     TXT  "v=spf1 a:host.spf.test a:host.spf.test a:host.spf.test a:host.spf.test a:host.spf.test a:host.spf.test a:host.spf.test a:host.spf.test a:host.spf.test a:host.spf.test a:host.spf.test ip4:203.0.113.1 -all"
        void2      TXT  "v=spf1 a:v1.spf.test a:v2.spf.test ip4:203.0.113.1 -all"
        void3      TXT  "v=spf1 a:v1.spf.test a:v2.spf.test a:v3.spf.test ip4:203.0.113.1 -all"
        failing    TXT  "v=spf1 a:bogus.test ip4:203.0.113.1 -all"
        client     TXT  "v=spf1 ip4:203.0.113.9 -all"
        """;

    public static readonly SpfCase[] All =
    [
        new("192.0.2.1", "bob@plain.spf.test", "pass"),
        new("198.51.100.1", "bob@plain.spf.test", "fail"),
        new("::ffff:192.0.2.1", "bob@plain.spf.test", "pass"),
        new("2001:db8::1", "bob@six.spf.test", "pass"),
        new("192.0.2.1", "bob@six.spf.test", "softfail"),
        new("192.0.2.9", "bob@soft.spf.test", "softfail"),
        new("192.0.2.9", "bob@neutral.spf.test", "neutral"),
        new("192.0.2.9", "bob@open.spf.test", "neutral"),
        new("192.0.2.9", "bob@nothing.spf.test", "none"),
        new("192.0.2.5", "bob@a.spf.test", "pass"),
        new("192.0.2.6", "bob@a.spf.test", "fail"),
        new("2001:db8::5", "bob@a.spf.test", "pass"),
        new("192.0.2.99", "bob@anet.spf.test", "pass"),
        new("2001:db8::99", "bob@asix.spf.test", "pass"),
        new("2001:db8:0:1::99", "bob@asix.spf.test", "fail"),
        new("198.51.100.25", "bob@mx.spf.test", "pass"),
        new("198.51.100.26", "bob@mx.spf.test", "fail"),
        new("192.0.2.25", "bob@manymx.spf.test", "permerror"),
        new("192.0.2.5", "bob@ptr.spf.test", "pass"),
        new("192.0.2.6", "bob@ptr.spf.test", "fail"),
        new("192.0.2.1", "bob@include.spf.test", "pass"),
        new("203.0.113.1", "bob@include.spf.test", "fail"),
        new("203.0.113.1", "bob@includes.spf.test", "pass"),
        new("192.0.2.1", "bob@nowhere.spf.test", "permerror"),
        new("192.0.2.1", "bob@redirect.spf.test", "pass"),
        new("203.0.113.1", "bob@redirect.spf.test", "fail"),
        new("192.0.2.1", "bob@lost.spf.test", "permerror"),
        new("203.0.113.1", "bob@late.spf.test", "fail"),
        new("192.0.2.1", "bob@exists.spf.test", "pass"),
        new("192.0.2.1", "eve@exists.spf.test", "fail"),
        new("192.0.2.1", "bob-lists@macro.spf.test", "pass"),
        new("192.0.2.1", "eve-lists@macro.spf.test", "fail"),
        new("192.0.2.1", "bob@helo.spf.test", "pass"),
        new("192.0.2.1", "bob@explained.spf.test", "fail"),
        new("192.0.2.1", "bob@twoexp.spf.test", "permerror"),
        new("192.0.2.1", "bob@unknown.spf.test", "pass"),
        new("192.0.2.1", "bob@badterm.spf.test", "permerror"),
        new("192.0.2.1", "bob@badip.spf.test", "permerror"),
        new("192.0.2.1", "bob@badprefix.spf.test", "permerror"),
        new("192.0.2.1", "bob@badall.spf.test", "permerror"),
        new("192.0.2.1", "bob@double.spf.test", "permerror"),
        new("192.0.2.1", "bob@almost.spf.test", "none"),
        new("192.0.2.1", "bob@upper.spf.test", "pass"),
        new("192.0.2.1", "bob@loop.spf.test", "permerror"),
        new("203.0.113.1", "bob@ten.spf.test", "pass"),
        new("203.0.113.1", "bob@eleven.spf.test", "permerror"),
        new("203.0.113.1", "bob@void2.spf.test", "pass"),
        new("203.0.113.1", "bob@void3.spf.test", "permerror"),
        new("203.0.113.1", "bob@failing.spf.test", "temperror"),
        new("203.0.113.1", "bob@bogus.test", "temperror"),
        new("203.0.113.9", "<>", "pass"),
        new("203.0.113.8", "<>", "fail"),
        new("203.0.113.8", "<>", "none", "localhost"),
    ];
}
