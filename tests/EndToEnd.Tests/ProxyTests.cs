using System.Diagnostics;
using System.Text;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>
/// Behind real proxies: rights, limits and traces go by the client that they tell of. 127.0.0.9 is the relay network; the proxies are at
/// 127.0.0.1 and have no rights of their own.
/// </summary>
public sealed class ProxyTests
{
    private const string Client = "127.0.0.9";
    private const string Stranger = "127.0.0.2";
    private const string Elsewhere = "someone@sink.example";

    [Fact]
    public async Task Behind_haproxy_the_clients_address_decides_with_both_versions_of_the_header()
    {
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true });
        await using var gateway = await StartAsync(sink, "proxy-protocol-from: 127.0.0.1/32");
        foreach (var version in new[] { "send-proxy", "send-proxy-v2" })
        {
            var port = Loopback.FreePort();
            await File.WriteAllTextAsync(gateway["haproxy.cfg"], $"""
                defaults
                    mode tcp
                    timeout connect 5s
                    timeout client 30s
                    timeout server 30s
                listen gateway
                    bind 127.0.0.1:{port}
                    server one 127.0.0.1:{gateway.RelayPort} {version}

                """, TestContext.Current.CancellationToken);
            await using var haproxy = new ChildServer("/usr/sbin/haproxy", ["-db", "-f", gateway["haproxy.cfg"]], port);
            await haproxy.StartAsync();
            using (var stranger = await SmtpTalker.GreetAsync(port, Stranger))
                Assert.StartsWith("550 5.7.1", await stranger.OfferAsync("alice@example.org", Elsewhere), StringComparison.Ordinal);
            var mark = Guid.NewGuid().ToString("N");
            using (var client = await SmtpTalker.GreetAsync(port, Client))
            {
                var reply = await client.DeliverAsync("alice@example.org", Elsewhere, Encoding.ASCII.GetBytes($"Subject: {mark}\r\n\r\nx\r\n"));
                Assert.StartsWith("250", reply, StringComparison.Ordinal);
            }
            Assert.Contains($"([{Client}])", await SunkAsync(sink, mark), StringComparison.Ordinal);
        }
        Assert.Contains(gateway.Child.Log, l => l.Contains($"accepted from {Client}:", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Without_its_header_a_listed_proxy_is_cut_and_with_one_nobody_else_gains_anything()
    {
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true });
        await using var gateway = await StartAsync(sink, "proxy-protocol-from: 127.0.0.1/32", "limits: { proxy-header-timeout: 1s }");
        using (var proxy = await SmtpTalker.ConnectAsync(gateway.RelayPort))
            Assert.Equal("", await proxy.SayAsync("EHLO client.test.invalid"));
        using (var silent = await SmtpTalker.ConnectAsync(gateway.RelayPort))
            Assert.Equal("", await silent.ReadReplyAsync());
        await gateway.Child.WaitForLineAsync("No PROXY header came in time", TimeSpan.FromSeconds(10));

        using var stranger = await SmtpTalker.ConnectAsync(gateway.RelayPort, Stranger);
        Assert.StartsWith("220", await stranger.ReadReplyAsync(), StringComparison.Ordinal);
        Assert.StartsWith("500", await stranger.SayAsync($"PROXY TCP4 {Client} 127.0.0.1 50000 25"), StringComparison.Ordinal);
        await stranger.SayAsync("EHLO client.test.invalid");
        Assert.StartsWith("550 5.7.1", await stranger.OfferAsync("alice@example.org", Elsewhere), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Swaks_says_by_xclient_who_is_behind_it()
    {
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true });
        await using var gateway = await StartAsync(sink, "xclient-from: 127.0.0.1/32");
        var mark = Guid.NewGuid().ToString("N");
        string[] Arguments(string address) =>
        [
            "--server", "127.0.0.1", "--port", $"{gateway.RelayPort}", "--from", "alice@example.org", "--to", Elsewhere, "--header", $"Subject: {mark}",
            "--xclient-addr", address, "--xclient-name", "client.example", "--xclient-port", "50000", "--xclient-proto", "ESMTP",
        ];
        var stranger = await Tool.RunAsync("swaks", Arguments(Stranger));
        Assert.Contains("550 5.7.1", stranger.All, StringComparison.Ordinal);
        (await Tool.RunAsync("swaks", Arguments(Client))).Checked();
        Assert.Contains($"([{Client}])", await SunkAsync(sink, mark), StringComparison.Ordinal);

        using var unlisted = await SmtpTalker.ConnectAsync(gateway.RelayPort, Stranger);
        await unlisted.ReadReplyAsync();
        Assert.DoesNotContain("XCLIENT", await unlisted.SayAsync("EHLO client.test.invalid"), StringComparison.Ordinal);
        Assert.StartsWith("550 5.7.1", await unlisted.SayAsync($"XCLIENT ADDR={Client}"), StringComparison.Ordinal);
        Assert.StartsWith("550 5.7.1", await unlisted.OfferAsync("alice@example.org", Elsewhere), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_login_at_nginx_counts_where_it_is_believed(bool believed)
    {
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true });
        await using var gateway = await StartAsync(sink, "xclient-from: 127.0.0.1/32", $"xclient-login: {(believed ? "true" : "false")}");
        var (port, control) = (Loopback.FreePort(), Loopback.FreePort());
        await File.WriteAllTextAsync(gateway["nginx.conf"], $$"""
            load_module /usr/lib/nginx/modules/ngx_mail_module.so;
            daemon off;
            master_process off;
            pid {{gateway["nginx.pid"]}};
            events {}
            http {
                access_log off;
                server {
                    listen 127.0.0.1:{{control}};
                    location / {
                        add_header Auth-Status OK;
                        add_header Auth-Server 127.0.0.1;
                        add_header Auth-Port {{gateway.RelayPort}};
                        return 204;
                    }
                }
            }
            mail {
                server_name nginx.example.org;
                auth_http 127.0.0.1:{{control}}/;
                server { listen 127.0.0.1:{{port}}; protocol smtp; smtp_auth plain; xclient on; }
            }

            """, TestContext.Current.CancellationToken);
        await using var nginx = new ChildServer("/usr/sbin/nginx", ["-e", "stderr", "-c", gateway["nginx.conf"]], port);
        await nginx.StartAsync();
        using var talker = await SmtpTalker.GreetAsync(port, Stranger);
        Assert.StartsWith("235", await talker.SayAsync("AUTH PLAIN " + Convert.ToBase64String("\0alice\0whatever"u8)), StringComparison.Ordinal);
        var reply = await talker.OfferAsync("alice@example.org", Elsewhere);
        Assert.StartsWith(believed ? "354" : "550 5.7.1", reply, StringComparison.Ordinal);
    }

    private static async Task<GatewayProcess> StartAsync(SmtpSink sink, params string[] listener)
    {
        var gateway = new GatewayProcess(new GatewaySetup
        {
            NextHopPort = sink.Port, SinkPort = sink.Port, RelayNetwork = $"{Client}/32", RelayListener = listener,
        });
        await gateway.StartAsync();
        return gateway;
    }

    private static async Task<string> SunkAsync(SmtpSink sink, string mark)
    {
        var waited = Stopwatch.StartNew();
        while (waited.Elapsed < TimeSpan.FromSeconds(30))
        {
            var found = sink.Messages.Select(m => Encoding.Latin1.GetString(m.Content)).FirstOrDefault(m => m.Contains(mark, StringComparison.Ordinal));
            if (found is not null)
                return found;
            await Task.Delay(50);
        }
        throw new TimeoutException($"Nothing with {mark} came in time.");
    }
}
