using System.Globalization;
using System.Security.Cryptography;
using GatewaySecure.Bench.Smime;
using GatewaySecure.TestKit;

namespace GatewaySecure.Bench.Relay;

/// <summary>
/// Messages per second end to end, fsync included. The sides take turns on the same source, the same kind of sink and the same disk, so
/// that the machine's drift falls on all: the gateway's pass-through and its sign-and-encrypt against Postfix that relays plain; its
/// sign-and-encrypt against Postfix with an <c>openssl cms</c> filter; and against the sum of the primitives.
/// </summary>
internal sealed class RelayBench
{
    private const int Kilo = 1024;

    private readonly Effort _effort;
    private readonly Report _report;
    private readonly RelaySide _plain;
    private readonly RelaySide _sealed;

    private RelayBench(Effort effort, Report report, RelaySide plain, RelaySide @sealed) =>
        (_effort, _report, _plain, _sealed) = (effort, report, plain, @sealed);

    public static async Task RunAsync(Effort effort, Report report, Signing signing)
    {
        using var work = Tree.MakeWorkDirectory();
        await using var sink = new SmtpSink();
        await using var gateway = await BenchGateway.StartAsync(work, sink.Port, signing);
        var bench = new RelayBench(
            effort,
            report,
            new RelaySide("pass-through", gateway.Port, BenchGateway.PlainRecipient, sink),
            new RelaySide("sign-and-encrypt", gateway.Port, BenchGateway.SealedRecipient, sink));
        await bench.WarmAsync();
        await bench.AgainstPlainAsync(work, signing);
        await bench.AgainstPipeAsync(work, gateway, signing);
        await bench.AgainstPrimitivesAsync(work, gateway, sink, signing);
    }

    /// <summary>Until the platform has compiled what it compiles: a server runs for months.</summary>
    private async Task WarmAsync()
    {
        foreach (var side in (RelaySide[])[_plain, _sealed])
            await side.RunAsync(2 * Kilo, sessions: 10, messages: _effort.IsQuick ? 1500 : 6000);
    }

    private async Task AgainstPlainAsync(WorkDirectory work, Signing signing)
    {
        await using var sink = new SmtpSink();
        await using var postfix = await PrivatePostfix.StartAsync(new PostfixOptions { ParentDirectory = work.Path, RelayPort = sink.Port, Log = false });
        var rival = new RelaySide("Postfix", postfix.Port, BenchGateway.PlainRecipient, sink);
        _report.Begin($"relay: end to end on loopback with fsync, against Postfix's plain relay; {signing.Name()} signs", "ours", "Postfix");
        foreach (var size in _effort.IsQuick ? MailSizes.UpToOneMegabyte : MailSizes.All)
        {
            foreach (var sessions in !_effort.IsQuick ? [1, 10, 50] : size == 2 * Kilo ? (int[])[1, 10] : [10])
            {
                var rates = await RatesAsync(size, sessions, rival, _plain, _sealed);
                Add("relay", _plain, size, sessions, rates[1], rates[0]);
                Add("relay", _sealed, size, sessions, rates[2], rates[0]);
            }
        }
    }

    private async Task AgainstPipeAsync(WorkDirectory work, BenchGateway gateway, Signing signing)
    {
        await using var sink = new SmtpSink();
        using var signer = NewSigner(signing);
        var certificate = gateway.Keys.CertifySigner(BenchGateway.Sender, signer).ExportCertificatePem();
        var filter = PipeFilter.Write(work, gateway.Keys, signer, certificate);
        var options = new PostfixOptions { ParentDirectory = work.Path, RelayPort = sink.Port, Log = false, Filter = filter };
        await using var postfix = await PrivatePostfix.StartAsync(options);
        var rival = new RelaySide("Postfix with openssl", postfix.Port, BenchGateway.SealedRecipient, sink);
        _report.Begin("relay: sign and encrypt, against Postfix with an 'openssl cms' pipe filter", "ours", "pipe");
        foreach (var size in _effort.IsQuick ? [50 * Kilo] : MailSizes.UpToOneMegabyte)
        {
            var rates = await RatesAsync(size, sessions: 10, rival, _sealed);
            Add("pipe", _sealed, size, 10, rates[1], rates[0]);
        }
    }

    private async Task AgainstPrimitivesAsync(WorkDirectory work, BenchGateway gateway, SmtpSink sink, Signing signing)
    {
        using var signer = NewSigner(signing);
        var evp = await EvpProgram.BuildAsync(work, gateway.Keys, signer);
        var primitives = new Primitives(work, evp, new RelaySide("source to sink", sink.Port, BenchGateway.SealedRecipient, sink));
        _report.Begin("relay: sign and encrypt, against the sum of the primitives, each measured alone", "ours", "sum");
        foreach (var size in MailSizes.UpToOneMegabyte)
        {
            const int sessions = 10;
            var messages = _effort.CountFor(Sample(size, sessions) / await _sealed.RunAsync(size, sessions, Sample(size, sessions)), 2 * sessions);
            var seconds = await _effort.TakeTurnsAsync(
                async () => await _sealed.RunAsync(size, sessions, messages) / messages,
                () => primitives.LoopbackAsync(size, sessions, messages),
                () => primitives.FlushAsync(size, sessions, messages),
                () => primitives.ProtectAsync(size, messages));
            var sum = seconds[1] + seconds[2] + seconds[3];
            Add("primitives", _sealed, size, sessions, 1 / seconds[0], 1 / sum);
            _report.Remark(string.Create(CultureInfo.InvariantCulture,
                $"{sum / seconds[0]:P0} of the sum: source to sink {seconds[1] * 1e6:F0} µs + flush {seconds[2] * 1e6:F0} µs + {signing.Name()}, RSA-2048, AES-256-CBC {seconds[3] * 1e6:F0} µs"));
        }
    }

    /// <summary>Messages per second of each side, in their order; medians over rounds in turns.</summary>
    private async Task<double[]> RatesAsync(int size, int sessions, params RelaySide[] sides)
    {
        var runs = new List<Func<Task<double>>>();
        foreach (var side in sides)
        {
            // Warms caches and processes, and tells how many messages fill a run.
            var sample = Sample(size, sessions);
            var messages = _effort.CountFor(sample / await side.RunAsync(size, sessions, sample), atLeast: 2 * sessions);
            runs.Add(async () => messages / await side.RunAsync(size, sessions, messages));
        }
        return await _effort.TakeTurnsAsync([.. runs]);
    }

    private static int Sample(int size, int sessions) => Math.Max(2 * sessions, Math.Min(50, 10_000_000 / size));

    private void Add(string against, RelaySide side, int size, int sessions, double ours, double rival) =>
        _report.Add(Result.MoreIsBetter($"{against} {side.Name} {MailSizes.Name(size)} {sessions} sessions", ours, rival, "messages/s"));

    private static AsymmetricAlgorithm NewSigner(Signing signing) =>
        signing == Signing.P256 ? ECDsa.Create(ECCurve.NamedCurves.nistP256) : RSA.Create(2048);
}
