using System.Globalization;
using System.Security.Cryptography;
using GatewaySecure.TestKit;

namespace GatewaySecure.Bench.Relay;

/// <summary>
/// The other rival: what an administrator builds of Postfix and <c>openssl cms</c>. For each mail a shell signs with the same kind of key,
/// encrypts to the same certificate with AES-256-CBC, and gives the result back to Postfix by SMTP in one dialogue (dearer: sendmail(1)).
/// </summary>
internal static class PipeFilter
{
    public static PostfixFilter Write(WorkDirectory work, BenchKeys keys, AsymmetricAlgorithm signer, string signerCertificate)
    {
        var returnPort = Loopback.FreePort();
        File.WriteAllText(work["pipe-signer.pem"], signerCertificate + "\n" + signer.ExportPkcs8PrivateKeyPem() + "\n");
        File.WriteAllText(work["pipe-recipient.pem"], keys.Recipient.ExportCertificatePem() + "\n");
        File.WriteAllText(work["filter.sh"], Script(work, returnPort));
        // The work folder's files are keys of this run only; "nobody" must read them.
        return new PostfixFilter($"/bin/bash {work["filter.sh"]} ${{sender}} ${{recipient}}", returnPort, Processes: 10);
    }

    /// <summary>75 tells Postfix to try again later (sysexits.h, EX_TEMPFAIL).</summary>
    private static string Script(WorkDirectory work, int returnPort) => string.Create(CultureInfo.InvariantCulture, $$"""
        set -o pipefail
        want() {
            local line
            while read -r line <&3; do
                [[ $line == "$1"* ]] || exit 75
                [[ ${line:3:1} == - ]] || return 0
            done
            exit 75
        }
        say() { printf '%s\r\n' "$1" >&3 && want "$2"; }
        exec 3<>/dev/tcp/127.0.0.1/{{returnPort}} || exit 75
        want 220
        say 'HELO filter.inside.example' 250
        say "MAIL FROM:<$1>" 250
        say "RCPT TO:<$2>" 250
        say DATA 354
        openssl cms -sign -md sha256 -signer {{work["pipe-signer.pem"]}} \
            | openssl cms -encrypt -aes-256-cbc -from "$1" -to "$2" -subject Report -recip {{work["pipe-recipient.pem"]}} \
            | sed -e 's/\r*$/\r/' -e 's/^\./../' >&3 || exit 75
        say . 250
        say QUIT 221

        """);
}
