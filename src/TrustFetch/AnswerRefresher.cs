using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Trust;
using GatewaySecure.Trust.Revocation;

namespace GatewaySecure.TrustFetch;

/// <summary>
/// Keeps an OCSP answer for each certificate in use, one file each, replaced by one rename. An answer that is not current, not about this certificate or
/// not signed by who may sign it is not kept; the old one stays and ends by itself.
/// </summary>
public sealed class AnswerRefresher(string folder, HttpFetcher http, TimeProvider time)
{
    private readonly string _folder = Directory.CreateDirectory(folder).FullName;

    /// <summary>When the kept answer has two thirds of its time behind it; at once where there is none.</summary>
    public DateTimeOffset DueAt(X509Certificate2 certificate)
    {
        var path = PathOf(certificate);
        if (!File.Exists(path) || !OcspAnswer.TryParse(File.ReadAllBytes(path), null, out var answers, out _) || answers is not [var answer, ..])
            return DateTimeOffset.MinValue;
        var life = (answer.NextUpdate ?? answer.ThisUpdate + TimeSpan.FromHours(12)) - answer.ThisUpdate;
        return answer.ThisUpdate + (life * 2 / 3);
    }

    /// <returns>Null where an answer was kept; else what went wrong, one plain sentence.</returns>
    /// <exception cref="IOException">The answer could not be kept.</exception>
    public async Task<string?> RefreshAsync(X509Certificate2 certificate, X509Certificate2 issuer, FetchSource responder, CancellationToken cancellationToken)
    {
        var question = OcspQuestion.About(certificate, issuer);
        var result = await http.PostAsync(responder, question.Der, "application/ocsp-request", cancellationToken);
        if (result is not FetchResult.Fetched fetched)
            return $"{responder.Address.AbsoluteUri}: {(result is FetchResult.Failed failed ? failed.Reason : "it gave no answer")}.";
        if (!OcspAnswer.TryParse(fetched.Content, question.Nonce, out var answers, out var problem))
            return $"{responder.Address.AbsoluteUri}: {problem}";
        if (!answers.Any(a => a.Speaks(certificate, issuer, time.GetUtcNow())))
            return $"{responder.Address.AbsoluteUri}: The answer is not about {certificate.Subject}, or not current, or not signed by who may.";
        var path = PathOf(certificate);
        await File.WriteAllBytesAsync(path + ".new", fetched.Content, cancellationToken);
        File.Move(path + ".new", path, overwrite: true);
        return null;
    }

    /// <summary>Answers for certificates that are not in use any more are removed.</summary>
    public void KeepOnly(IEnumerable<X509Certificate2> certificates)
    {
        var wanted = certificates.Select(PathOf).ToHashSet(StringComparer.Ordinal);
        foreach (var file in Directory.EnumerateFiles(_folder, "*.ocsp").Where(f => !wanted.Contains(f)))
            File.Delete(file);
    }

    private string PathOf(X509Certificate2 certificate) =>
        Path.Combine(_folder, Convert.ToHexStringLower(certificate.GetCertHash(HashAlgorithmName.SHA256).AsSpan(0, 16)) + ".ocsp");
}
