using System.Security.Cryptography;
using System.Security.Cryptography.Pkcs;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using GatewaySecure.Trust.Revocation;

namespace GatewaySecure.Trust;

/// <summary>Reads certificates and CRLs from folders, PEM or DER by content. Private keys in the same files are not looked at.</summary>
public static class CertificateFiles
{
    private static readonly string[] CertificateEndings = [".pem", ".crt", ".cer", ".der", ".p7b"];

    public static List<X509Certificate2> ReadCertificates(IEnumerable<string> folders, List<string> problems)
    {
        var certificates = new List<X509Certificate2>();
        foreach (var file in Files(folders, CertificateEndings))
        {
            try
            {
                certificates.AddRange(ParseCertificates(File.ReadAllBytes(file)));
            }
            catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException)
            {
                problems.Add($"{file}: {e.Message}");
            }
        }
        return certificates;
    }

    public static List<byte[]> ReadRevocationLists(IEnumerable<string> folders, List<string> problems)
    {
        var lists = new List<byte[]>();
        foreach (var file in Files(folders, [".crl"]))
        {
            try
            {
                var bytes = File.ReadAllBytes(file);
                lists.AddRange(LooksLikePem(bytes) ? PemBlocks(bytes, "X509 CRL") : [bytes]);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException)
            {
                problems.Add($"{file}: {e.Message}");
            }
        }
        return lists;
    }

    /// <summary>OCSP responses; one that can't be read is named.</summary>
    public static List<OcspAnswer> ReadAnswers(IEnumerable<string> folders, List<string> problems)
    {
        var found = new List<OcspAnswer>();
        foreach (var file in Files(folders, [".ocsp"]))
        {
            try
            {
                if (OcspAnswer.TryParse(File.ReadAllBytes(file), null, out var answers, out var problem))
                    found.AddRange(answers);
                else
                    problems.Add($"{file}: {problem}");
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                problems.Add($"{file}: {e.Message}");
            }
        }
        return found;
    }

    /// <summary>PEM, DER or PKCS #7.</summary>
    /// <exception cref="CryptographicException">None is in it, or one is malformed.</exception>
    public static IReadOnlyList<X509Certificate2> ParseCertificates(byte[] bytes)
    {
        ArgumentNullException.ThrowIfNull(bytes);
        if (!LooksLikePem(bytes))
            return [.. ParseDer(bytes)];
        var found = PemBlocks(bytes, "CERTIFICATE").Select(X509CertificateLoader.LoadCertificate)
            .Concat(PemBlocks(bytes, "PKCS7").SelectMany(ParseDer))
            .ToList();
        return found.Count > 0 ? found : throw new CryptographicException("No certificate in it.");
    }

    private static IEnumerable<X509Certificate2> ParseDer(byte[] bytes)
    {
        if (X509Certificate2.GetCertContentType(bytes) != X509ContentType.Pkcs7)
            return [X509CertificateLoader.LoadCertificate(bytes)];
        var bag = new SignedCms();
        bag.Decode(bytes);
        return bag.Certificates;
    }

    private static bool LooksLikePem(byte[] bytes) => bytes.AsSpan().IndexOf("-----BEGIN "u8) >= 0;

    private static List<byte[]> PemBlocks(byte[] bytes, string label)
    {
        var blocks = new List<byte[]>();
        var text = Encoding.ASCII.GetString(bytes).AsSpan();
        while (PemEncoding.TryFind(text, out var fields))
        {
            if (text[fields.Label].SequenceEqual(label))
                blocks.Add(Convert.FromBase64String(text[fields.Base64Data].ToString()));
            text = text[fields.Location.End..];
        }
        return blocks;
    }

    private static IEnumerable<string> Files(IEnumerable<string> folders, string[] endings) =>
        folders.SelectMany(folder => Directory.EnumerateFiles(folder))
            .Where(file => endings.Contains(Path.GetExtension(file), StringComparer.OrdinalIgnoreCase))
            .Order(StringComparer.Ordinal);
}
