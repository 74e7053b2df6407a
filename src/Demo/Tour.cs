using System.Collections.Immutable;
using System.Text;
using GatewaySecure.Addresses;
using GatewaySecure.CardClient;
using GatewaySecure.CardEnrollment;
using GatewaySecure.Cards;
using GatewaySecure.Gateway.Hosting;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.MailProtection;
using GatewaySecure.MailProtection.Recipients;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.Demo;

/// <summary>
/// The guided tour: a whole gateway on this machine, real mail over SMTP, and what became of each. Every sentence with a check mark
/// was checked.
/// </summary>
internal sealed class Tour : IAsyncDisposable
{
    private const string BobsPin = "654321";

    private readonly Narrator _say;
    private readonly DemoSetup _setup;
    private readonly GatewayServer _gateway;
    private readonly Partner _carol;
    private readonly DemoMail _alice;
    private readonly HashSet<string> _seen = [];

    private Tour(Narrator say, DemoSetup setup, GatewayServer gateway, Partner carol)
    {
        (_say, _setup, _gateway, _carol) = (say, setup, gateway, carol);
        _alice = new DemoMail(gateway.EndPoints[0].Port, "alice", DemoSetup.AlicesPassword, setup.ServerCertificate());
    }

    public static async Task<Tour> PrepareAsync(string directory, Narrator say, CancellationToken cancellationToken)
    {
        say.Title("GatewaySecure: a guided tour");
        var carol = Partner.Create("carol@partner.example");
        var setup = DemoSetup.Create(directory, carol);
        var gateway = await GatewayServer.StartAsync(setup.Load(), setup.State, setup.LogFile, cancellationToken);
        say.Note($"A gateway for example.org listens on {gateway.EndPoints[0]}; its state is in {Shown(setup.State)}.");
        say.Note($"Its keys are in a {gateway.VaultDescription}.");
        say.Note("Its rules (var/demo/gateway.yaml): inside by KDC, to partner.example and lawfirm.example by S/MIME, else as it is.");
        var tour = new Tour(say, setup, gateway, carol);
        await tour.IssueCardAsync("Alice", "alice@example.org", "123321", cancellationToken);
        await tour.IssueCardAsync("Bob", "bob@example.org", BobsPin, cancellationToken);
        say.Note("Carol at partner.example has an S/MIME certificate of her company's CA; lawfirm.example has none.");
        return tour;
    }

    public async Task WalkAsync(CancellationToken cancellationToken)
    {
        await ShowNormalAsync(cancellationToken);
        await ShowSmimeAsync(cancellationToken);
        var mail = await ShowKdcAsync(cancellationToken);
        await ShowHeldAsync(cancellationToken);
        if (mail is null)
            return;
        await ShowBobsCardAsync(mail, cancellationToken);
        await ShowWrongPinAsync(mail, cancellationToken);
        await ShowTamperedAsync(mail, cancellationToken);
    }

    public async Task StayAsync(CancellationToken cancellationToken)
    {
        var port = _gateway.EndPoints[0].Port;
        _say.Title("The gateway stays up until Ctrl-C. Try it yourself, in another terminal:");
        _say.Note($"swaks --server 127.0.0.1:{port} -tls --auth-user alice --auth-password {DemoSetup.AlicesPassword} \\");
        _say.Note("      --from alice@example.org --to bob@example.org --header 'Subject: Hello' --body 'For your eyes only'");
        _say.Note("ls var/demo/outbox                                    # what left the gateway");
        _say.Note("./gs cardmail open var/demo/outbox/FILE.eml --virtual-card var/demo/cards/bob.card    # PIN " + BobsPin);
        _say.Note("./gs gateway policy explain --config var/demo/gateway.yaml --state var/demo/state \\");
        _say.Note("      --from alice@example.org --to carol@partner.example --to dana@lawfirm.example");
        _say.Note("./gs gateway queue list --state var/demo/state        # what is held, and why");
        await Task.Delay(Timeout.Infinite, cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await _gateway.DisposeAsync();
        _carol.Dispose();
    }

    private async Task ShowNormalAsync(CancellationToken cancellationToken)
    {
        _say.Step("normal: Alice writes to the world outside; no rule asks for protection");
        var text = DemoMail.Text("editor@news.example", "Press release");
        if (await SendAsync("editor@news.example", text, cancellationToken) is not { } left)
            return;
        _say.Claim(left.EndsWith(text, StringComparison.Ordinal), "it left as the same bytes, with a trace field on top");
    }

    private async Task ShowSmimeAsync(CancellationToken cancellationToken)
    {
        _say.Step("ca: Alice writes to Carol at partner.example; the rule asks for S/MIME");
        if (await SendAsync("carol@partner.example", DemoMail.Text("carol@partner.example", "Contract"), cancellationToken) is not { } left)
            return;
        _say.Claim(!left.Contains(DemoMail.Secret, StringComparison.Ordinal), "it left encrypted: nothing of the text can be read");
        _say.Claim(left.Contains("application/pkcs7-mime", StringComparison.Ordinal), "it is standard S/MIME, which Carol's mail program opens");
        using var output = new MemoryStream();
        // Carol was given example.org's certificate and trusts it.
        var trust = CertificateDirectory.Create([], [_setup.OrganisationCertificate()]);
        var keys = new OpeningKeys { SmimeKeys = [new SmimeKey(_carol.Certificate, _carol.Key)], Trust = trust };
        var outcome = await new MailOpener(TimeProvider.System).OpenAsync(new MemoryMail(left), keys, output, cancellationToken);
        _say.Claim(outcome is OpenOutcome.Opened && Text(output).Contains(DemoMail.Secret, StringComparison.Ordinal), "Carol's key opens it");
        if (outcome is OpenOutcome.Opened(var mail))
            Show(mail.Verdicts);
    }

    private async Task<string?> ShowKdcAsync(CancellationToken cancellationToken)
    {
        _say.Step("kdc: Alice writes to Bob inside; the rule asks for the organisation's own KDC");
        if (await SendAsync("bob@example.org", DemoMail.Text("Bob <bob@example.org>", "Personnel matter"), cancellationToken) is not { } left)
            return null;
        _say.Claim(
            !left.Contains(DemoMail.Secret, StringComparison.Ordinal) && !left.Contains("Personnel matter", StringComparison.Ordinal),
            "it left encrypted, its subject too: outside it reads [...]");
        _say.Claim(left.Contains("application/vnd.gatewaysecure.kdc-mime", StringComparison.Ordinal), "its Content-Type marks it as KDC mail");
        return left;
    }

    private async Task ShowHeldAsync(CancellationToken cancellationToken)
    {
        _say.Step("held: Alice writes to Dana at lawfirm.example; the rule demands S/MIME, and Dana has no certificate");
        var reply = await _alice.SendAsync("dana@lawfirm.example", DemoMail.Text("dana@lawfirm.example", "Case 17"), cancellationToken);
        _say.Claim(reply.IsPositive, $"the gateway takes it: {reply}");
        var held = await UntilAsync(
            () => _gateway.List().FirstOrDefault(i => i.Status.Any(s => s.State == RecipientState.Held)), cancellationToken);
        _say.Claim(held is not null, "it is held, not sent");
        _say.Note($"Why: {held?.Status[0].Reason}");
        _say.Claim(
            !OutboxFiles().Any(f => Envelope(f).Contains("X-Envelope-To: <dana@lawfirm.example>", StringComparison.Ordinal)),
            "nothing for Dana left the gateway");
        var report = await UntilAsync(
            () => OutboxFiles().FirstOrDefault(f => Envelope(f).Contains("X-Envelope-To: <alice@example.org>", StringComparison.Ordinal)),
            cancellationToken);
        _say.Claim(report is not null, "Alice is told by a report that it waits, and why");
        if (report is not null)
            _seen.Add(report);
    }

    private async Task ShowBobsCardAsync(string mail, CancellationToken cancellationToken)
    {
        _say.Step("Bob opens his mail with card and PIN, without asking the KDC");
        var (result, text) = await OpenAsync(mail, BobsPin, cancellationToken);
        _say.Claim(result.Status == OpeningStatus.Opened && text.Contains(DemoMail.Secret, StringComparison.Ordinal), "the card opens it");
        _say.Claim(text.Contains("Personnel matter", StringComparison.Ordinal), "the true subject is inside");
        Show(result.Verdicts);
    }

    private async Task ShowWrongPinAsync(string mail, CancellationToken cancellationToken)
    {
        _say.Step("Somebody else has Bob's card, and guesses the PIN");
        var (result, text) = await OpenAsync(mail, "000000", cancellationToken);
        _say.Claim(result.Status == OpeningStatus.WrongPin && text.Length == 0, $"nothing opens: {result.Text}");
        (result, _) = await OpenAsync(mail, BobsPin, cancellationToken);
        _say.Claim(result.IsOpened, "with the right PIN it opens again, and the three tries are back");
    }

    private async Task ShowTamperedAsync(string mail, CancellationToken cancellationToken)
    {
        _say.Step("Somebody changed one letter of the mail on its way to Bob");
        var at = mail.Length - 200;
        while (!char.IsAsciiLetterOrDigit(mail[at]))
            at--;
        var tampered = string.Concat(mail.AsSpan(0, at), mail[at] == 'A' ? "B" : "A", mail.AsSpan(at + 1));
        var (result, text) = await OpenAsync(tampered, BobsPin, cancellationToken);
        _say.Claim(result.Status == OpeningStatus.Forged, $"Bob is told: {result.Text}");
        _say.Claim(text.Length == 0, "and nothing of it is shown");
    }

    private async Task IssueCardAsync(string name, string address, string pin, CancellationToken cancellationToken)
    {
        var file = _setup.CardFile(name);
        using var card = VirtualOpenPgpCard.Create(file);
        using var connection = CardConnection.Of(card);
        var order = new TrialOrder(MailAddress.Parse(address), name, VirtualOpenPgpCard.DefaultAdminPin, pin, Authority: null);
        var issued = await new CardIssuing(_gateway.Administration, TimeProvider.System).IssueAsync(connection.Card, order, _ => { }, cancellationToken);
        _say.Note($"{name} has a virtual smart card, number {issued.Serial}, PIN {pin}: {Shown(file)}");
    }

    private async Task<(OpeningResult Result, string Text)> OpenAsync(string mail, string pin, CancellationToken cancellationToken)
    {
        using var card = VirtualOpenPgpCard.Open(_setup.CardFile("Bob"));
        using var connection = CardConnection.Of(card);
        using var output = new MemoryStream();
        var result = await new MailOpening(TimeProvider.System, _gateway.Certificates)
            .OpenAsync(connection.Card, pin.AsMemory(), new MemoryMail(mail), output, cancellationToken);
        return (result, Text(output));
    }

    /// <summary>Sends, and waits for what leaves the gateway for that recipient: the message without its envelope lines.</summary>
    private async Task<string?> SendAsync(string to, string text, CancellationToken cancellationToken)
    {
        var reply = await _alice.SendAsync(to, text, cancellationToken);
        _say.Claim(reply.IsPositive, $"the gateway takes it over TLS from alice: {reply}");
        var file = await UntilAsync(
            () => OutboxFiles().FirstOrDefault(f => Envelope(f).Contains($"X-Envelope-To: <{to}>", StringComparison.Ordinal)),
            cancellationToken);
        _say.Claim(file is not null, file is null ? "it leaves the gateway" : $"it leaves the gateway: {Shown(file)}");
        if (file is null)
            return null;
        _seen.Add(file);
        var whole = await File.ReadAllTextAsync(file, Encoding.Latin1, cancellationToken);
        return whole[whole.IndexOf("Received:", StringComparison.Ordinal)..];
    }

    private IEnumerable<string> OutboxFiles() =>
        Directory.Exists(_setup.Outbox) ? Directory.EnumerateFiles(_setup.Outbox, "*.eml").Where(f => !_seen.Contains(f)) : [];

    private static string Envelope(string file) =>
        string.Join('\n', File.ReadLines(file, Encoding.Latin1).TakeWhile(l => l.StartsWith("X-Envelope-", StringComparison.Ordinal)));

    private static async Task<T?> UntilAsync<T>(Func<T?> look, CancellationToken cancellationToken)
        where T : class
    {
        for (var i = 0; i < 300; i++)
        {
            if (look() is { } found)
                return found;
            await Task.Delay(100, cancellationToken);
        }
        return null;
    }

    private void Show(ImmutableArray<Verdict> verdicts)
    {
        foreach (var verdict in verdicts)
            _say.Note($"  {(verdict.Level == VerdictLevel.Good ? "·" : "!")} {verdict.Text}");
    }

    private static string Shown(string path) => Path.GetRelativePath(Environment.CurrentDirectory, path);

    private static string Text(MemoryStream stream) => Encoding.UTF8.GetString(stream.ToArray());

    private sealed class MemoryMail(string text) : IMailContent
    {
        private readonly byte[] _octets = Encoding.Latin1.GetBytes(text);

        public long Length => _octets.Length;

        public Stream OpenRead() => new MemoryStream(_octets, writable: false);
    }
}
