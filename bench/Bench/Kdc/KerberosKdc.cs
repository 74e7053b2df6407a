using System.Diagnostics;
using System.Formats.Asn1;
using System.Globalization;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using GatewaySecure.TestKit;

namespace GatewaySecure.Bench.Kdc;

/// <summary>
/// MIT's krb5kdc as Debian has it, with a database of its own, asked by AS-REQ for tickets of a service (RFC 4120 §3.1), without pre-authentication: so it proves
/// nobody's identity and writes nothing durable, which makes it cheaper for the rival than what ours does.
/// </summary>
internal sealed class KerberosKdc : IAsyncDisposable
{
    private const string Realm = "BENCH.EXAMPLE";
    private const byte AsReply = 0x6B;

    private readonly Process _process;
    private readonly int _port;

    private KerberosKdc(Process process, int port) => (_process, _port) = (process, port);

    /// <exception cref="InvalidOperationException">It is not installed, or did not start.</exception>
    public static async Task<KerberosKdc> StartAsync(WorkDirectory work)
    {
        if (!Tool.Exists("krb5kdc"))
            throw new InvalidOperationException("krb5kdc is not installed (Debian: krb5-kdc, krb5-admin-server).");
        var port = Loopback.FreePort();
        await File.WriteAllTextAsync(work["krb5.conf"], $"""
            [libdefaults]
              default_realm = {Realm}
              dns_lookup_kdc = false
            [realms]
              {Realm} = {"{"}
                kdc = 127.0.0.1:{port}
              {"}"}

            """);
        await File.WriteAllTextAsync(work["kdc.conf"], $"""
            [kdcdefaults]
              kdc_listen = 127.0.0.1:{port}
              kdc_tcp_listen = ""
            [realms]
              {Realm} = {"{"}
                database_name = {work["principal"]}
                key_stash_file = {work["stash"]}
                acl_file = {work["acl"]}
                master_key_type = aes256-cts-hmac-sha1-96
                supported_enctypes = aes256-cts-hmac-sha1-96:normal
              {"}"}
            [logging]
              kdc = FILE:/dev/null

            """);
        var environment = new Dictionary<string, string> { ["KRB5_CONFIG"] = work["krb5.conf"], ["KRB5_KDC_PROFILE"] = work["kdc.conf"] };
        (await Tool.RunAsync("kdb5_util", ["create", "-s", "-r", Realm, "-P", "bench"], environment: environment)).Checked();
        foreach (var name in new[] { "sender", "service/host" })
            (await Tool.RunAsync("kadmin.local", ["-r", Realm, "-q", $"addprinc -randkey {name}"], environment: environment)).Checked();
        var start = new ProcessStartInfo("krb5kdc", ["-n", "-r", Realm, "-w", Environment.ProcessorCount.ToString(CultureInfo.InvariantCulture)])
        {
            RedirectStandardError = true,
        };
        foreach (var (key, value) in environment)
            start.Environment[key] = value;
        var kdc = new KerberosKdc(Process.Start(start)!, port);
        for (var i = 0; ; i++)
        {
            try
            {
                await kdc.RunAsync(TimeSpan.FromMilliseconds(50), 1);
                return kdc;
            }
            catch (Exception e) when (e is SocketException or TimeoutException && i < 50)
            {
                // Not up yet.
                await Task.Delay(100);
            }
        }
    }

    /// <returns>Tickets per second.</returns>
    public async Task<double> RunAsync(TimeSpan time, int concurrency)
    {
        var watch = Stopwatch.StartNew();
        var counts = await Task.WhenAll(Enumerable.Range(0, concurrency).Select(_ => Task.Run(async () =>
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            await socket.ConnectAsync("127.0.0.1", _port);
            var buffer = new byte[4096];
            var granted = 0;
            while (watch.Elapsed < time)
            {
                await socket.SendAsync(Request());
                var length = await socket.ReceiveAsync(buffer).WaitAsync(TimeSpan.FromSeconds(5));
                if (length == 0 || buffer[0] != AsReply)
                    throw new InvalidOperationException("krb5kdc gave no ticket.");
                granted++;
            }
            return granted;
        })));
        return counts.Sum() / watch.Elapsed.TotalSeconds;
    }

    public async ValueTask DisposeAsync()
    {
        // Its workers end with their parent.
        ProcessSignal.Terminate(_process);
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    /// <summary>RFC 4120 §5.4.1, with a fresh nonce: the KDC would answer the same octets from memory.</summary>
    private static byte[] Request()
    {
        var w = new AsnWriter(AsnEncodingRules.DER);
        using (w.PushSequence(new Asn1Tag(TagClass.Application, 10, true)))
        using (w.PushSequence())
        {
            Tagged(w, 1, () => w.WriteInteger(5));
            Tagged(w, 2, () => w.WriteInteger(10));
            Tagged(w, 4, () =>
            {
                using var _ = w.PushSequence();
                Tagged(w, 0, () => w.WriteBitString(new byte[4]));
                Tagged(w, 1, () => Principal(w, 1, "sender"));
                Tagged(w, 2, () => GeneralString(w, Realm));
                Tagged(w, 3, () => Principal(w, 2, "service", "host"));
                Tagged(w, 5, () => w.WriteGeneralizedTime(DateTimeOffset.UtcNow.AddHours(8), omitFractionalSeconds: true));
                Tagged(w, 7, () => w.WriteInteger(RandomNumberGenerator.GetInt32(int.MaxValue)));
                // aes256-cts-hmac-sha1-96 (RFC 3962 §7).
                Tagged(w, 8, () =>
                {
                    using var _ = w.PushSequence();
                    w.WriteInteger(18);
                });
            });
        }
        return w.Encode();
    }

    private static void Principal(AsnWriter w, int type, params string[] names)
    {
        using var _ = w.PushSequence();
        Tagged(w, 0, () => w.WriteInteger(type));
        Tagged(w, 1, () =>
        {
            using var _ = w.PushSequence();
            foreach (var name in names)
                GeneralString(w, name);
        });
    }

    private static void Tagged(AsnWriter w, int number, Action content)
    {
        using var _ = w.PushSequence(new Asn1Tag(TagClass.ContextSpecific, number, true));
        content();
    }

    private static void GeneralString(AsnWriter w, string text) => w.WriteEncodedValue([0x1B, (byte)text.Length, .. Encoding.ASCII.GetBytes(text)]);
}
