using System.Globalization;
using System.Security.Cryptography;
using GatewaySecure.TestKit;

namespace GatewaySecure.Bench.Smime;

/// <summary>The C program of <c>bench/smime-evp</c>: compiled here, then asked for the processor time of one message.</summary>
internal sealed class EvpProgram
{
    private readonly string _program;
    private readonly string _signerKey;
    private readonly string _recipientKey;

    private EvpProgram(string program, string signerKey, string recipientKey)
    {
        _program = program;
        _signerKey = signerKey;
        _recipientKey = recipientKey;
    }

    /// <exception cref="InvalidOperationException">There is no compiler, or no libcrypto to compile with; the message is the compiler's.</exception>
    public static async Task<EvpProgram> BuildAsync(WorkDirectory work, BenchKeys keys, AsymmetricAlgorithm signer)
    {
        if (!Tool.Exists("cc"))
            throw new InvalidOperationException("A C compiler is needed (Debian: gcc, libssl-dev).");
        var source = Path.Combine(Tree.Root, "bench", "smime-evp", "smime-evp.c");
        (await Tool.RunAsync("cc", ["-O2", "-o", work["smime-evp"], source, "-lcrypto"])).Checked();
        await File.WriteAllTextAsync(work["evp-signer.pem"], signer.ExportPkcs8PrivateKeyPem());
        await File.WriteAllTextAsync(work["evp-recipient.pem"], keys.RecipientPublicKeyPem);
        return new EvpProgram(work["smime-evp"], work["evp-signer.pem"], work["evp-recipient.pem"]);
    }

    /// <returns>Microseconds of processor time for one message.</returns>
    public async Task<double> MeasureAsync(long hashed, long encrypted, int messages)
    {
        string[] numbers = [.. new[] { hashed, encrypted, messages }.Select(n => n.ToString(CultureInfo.InvariantCulture))];
        var result = (await Tool.RunAsync(_program, [_signerKey, _recipientKey, .. numbers])).Checked();
        return double.Parse(result.Text, CultureInfo.InvariantCulture);
    }
}
