using System.Security.Cryptography;
using GatewaySecure.TestKit;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.SmartCard.Tests;

/// <summary>Programs that others wrote meet the virtual card through the real pcscd.</summary>
[Collection("pcscd")]
public sealed class WitnessTests(PrivatePcscd pcscd)
{
    [Fact]
    public async Task Opensc_recognises_the_card()
    {
        using var card = VirtualOpenPgpCard.CreateInMemory();
        await using var plugged = await pcscd.PlugAsync(card);
        var atr = await Tool.RunAsync("opensc-tool", ["-r", plugged.Reader, "-a"], null, pcscd.Environment);
        Assert.Equal(Convert.ToHexString(card.Atr.Span), atr.Checked().Text.Trim().Replace(":", "", StringComparison.Ordinal).ToUpperInvariant());
        var name = await Tool.RunAsync("opensc-tool", ["-r", plugged.Reader, "-n"], null, pcscd.Environment);
        Assert.Contains("OpenPGP card v3", name.Checked().All, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Openpgp_tool_reads_holder_and_serial()
    {
        using var card = VirtualOpenPgpCard.CreateInMemory();
        var direct = TestCards.Client(card);
        Assert.IsType<PinResult.Ok>(direct.VerifyPin(PinMode.Admin, VirtualOpenPgpCard.DefaultAdminPin));
        direct.PutData(0x005B, "Example<<Bob"u8.ToArray());
        await using var plugged = await pcscd.PlugAsync(card);
        var user = await Tool.RunAsync("openpgp-tool", ["-r", plugged.Reader, "-U", "-C"], null, pcscd.Environment);
        Assert.True(user.Checked().All.Contains("Example Bob", StringComparison.Ordinal), user.All);
        Assert.Contains(card.Serial[^8..], user.All, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task Gpg_makes_keys_on_the_card_signs_and_decrypts()
    {
        using var card = VirtualOpenPgpCard.CreateInMemory();
        await using var plugged = await pcscd.PlugAsync(card);
        await using var gpg = new GpgHome(pcscd, plugged.Reader);
        var status = await gpg.RunAsync(["--card-status"]);
        Assert.Contains("unmanaged S/N range", status.Checked().All, StringComparison.Ordinal);

        var made = await gpg.RunAsync(["--command-fd", "0", "--status-fd", "2", "--card-edit"],
            "admin\ngenerate\nn\n0\nCard User\ncard@example.org\n\nO\nquit\n"u8.ToArray());
        Assert.True(made.Error.Contains("KEY_CREATED", StringComparison.Ordinal), made.All);
        var after = TestCards.Client(card).ReadInformation();
        Assert.True(after.Sign.HasFingerprint && after.Decipher.HasFingerprint && after.Authenticate.HasFingerprint);

        var text = "Signed with a key that never was outside the card.\n"u8.ToArray();
        var signature = (await gpg.RunAsync(["--sign"], text)).Checked();
        var verified = (await gpg.RunAsync(["--status-fd", "2", "--decrypt"], signature.Output)).Checked();
        Assert.Contains("VALIDSIG", verified.Error, StringComparison.Ordinal);
        Assert.Equal(text, verified.Output);

        var secret = (await gpg.RunAsync(["--trust-model", "always", "--encrypt", "-r", "card@example.org"], text)).Checked();
        var opened = (await gpg.RunAsync(["--decrypt"], secret.Output)).Checked();
        Assert.Equal(text, opened.Output);
    }

    [Fact]
    public async Task Pkcs11_tool_signs_and_openssl_verifies()
    {
        using var temporary = new TempDirectory();
        using var card = VirtualOpenPgpCard.CreateInMemory();
        var client = TestCards.Client(card);
        Assert.IsType<PinResult.Ok>(client.VerifyPin(PinMode.Admin, VirtualOpenPgpCard.DefaultAdminPin));
        using var rsa = RSA.Create(client.GenerateKey(CardKey.Sign, CardKeyAlgorithm.Rsa2048).Rsa!.Value);
        // OpenSC shows a key only once fingerprint and date are set.
        client.PutData(0x00C7, RandomNumberGenerator.GetBytes(20));
        client.PutData(0x00CE, new byte[] { 0x65, 0, 0, 0 });
        await File.WriteAllTextAsync(temporary["public.pem"], rsa.ExportSubjectPublicKeyInfoPem(), TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(temporary["text"], "a text", TestContext.Current.CancellationToken);
        await using var plugged = await pcscd.PlugAsync(card);
        // OpenSC shows one token for each PIN; the second is the signature's.
        var signed = await Tool.RunAsync("pkcs11-tool",
            ["--slot-index", "1", "--login", "--pin", VirtualOpenPgpCard.DefaultUserPin, "--sign", "--mechanism", "SHA256-RSA-PKCS", "--id", "01",
                "-i", temporary["text"], "-o", temporary["signature"]],
            null, pcscd.Environment);
        Assert.True(signed.ExitCode == 0, signed.All);
        var verified = await Tool.RunAsync("openssl",
            ["dgst", "-sha256", "-verify", temporary["public.pem"], "-signature", temporary["signature"], temporary["text"]]);
        Assert.Contains("Verified OK", verified.Checked().All, StringComparison.Ordinal);
    }
}

/// <summary>A GnuPG home with an agent and scdaemon of its own, and a pinentry that knows the default PINs.</summary>
internal sealed class GpgHome : IAsyncDisposable
{
    // As short as can be: the agent's socket has 108 octets for its path.
    private readonly TempDirectory _home = new();
    private readonly Dictionary<string, string> _environment;

    public GpgHome(PrivatePcscd pcscd, string reader, bool shared = false)
    {
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(_home.Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        File.WriteAllText(_home["pinentry"], $$"""
            #!/bin/sh
            echo "OK ready"
            while read -r word rest; do
              case "$word" in
                SETDESC|SETPROMPT) case "$rest" in *[Aa]dmin*) admin=1;; *) [ "$word" = SETDESC ] && admin=;; esac; echo OK;;
                GETPIN) if [ -n "$admin" ]; then echo "D {{VirtualOpenPgpCard.DefaultAdminPin}}"; else echo "D {{VirtualOpenPgpCard.DefaultUserPin}}"; fi; echo OK;;
                BYE) echo OK; exit 0;;
                *) echo OK;;
              esac
            done
            """);
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(_home["pinentry"], UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        File.WriteAllText(_home["gpg-agent.conf"], $"pinentry-program {_home["pinentry"]}\n");
        File.WriteAllText(_home["scdaemon.conf"], $"disable-ccid\nreader-port {reader}\npcsc-driver libpcsclite.so.1\n{(shared ? "pcsc-shared\n" : "")}");
        _environment = new Dictionary<string, string>(pcscd.Environment) { ["GNUPGHOME"] = _home.Path };
    }

    public Task<ToolResult> RunAsync(IEnumerable<string> arguments, byte[]? input = null) =>
        Tool.RunAsync("gpg", ["--no-tty", "--yes", .. arguments], input, _environment);

    public async ValueTask DisposeAsync()
    {
        await Tool.RunAsync("gpgconf", ["--kill", "all"], null, _environment);
        _home.Dispose();
    }
}
