using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using GatewaySecure.Addresses;
using GatewaySecure.Trust;

namespace GatewaySecure.MailProtection.Recipients;

/// <summary>One certificate that names the recipient, and what speaks against it.</summary>
public sealed class CertificateCandidate
{
    internal CertificateCandidate(RecipientCertificate entry, ImmutableArray<CertificateRejection> rejections, bool readsGcm)
    {
        Entry = entry;
        Rejections = rejections;
        ReadsGcm = readsGcm;
    }

    public X509Certificate2 Certificate => Entry.Certificate;

    /// <summary>Empty for a usable one.</summary>
    public ImmutableArray<CertificateRejection> Rejections { get; }

    public bool IsUsable => Rejections.IsEmpty;

    /// <summary>Its owner is known to read AES-256-GCM.</summary>
    public bool ReadsGcm { get; }

    internal RecipientCertificate Entry { get; }

    /// <summary>"CN=… serial … valid until …", and the reasons against it.</summary>
    public string Describe()
    {
        var text = string.Create(
            CultureInfo.InvariantCulture,
            $"{Certificate.Subject} serial {Certificate.SerialNumber} valid until {Certificate.NotAfter.ToUniversalTime():yyyy-MM-dd}");
        return IsUsable ? text : $"{text}: {string.Join(' ', Rejections.Select(r => r.Text))}";
    }
}

/// <summary>Every certificate for a recipient, newest first, and the chosen one.</summary>
public sealed record CertificateChoice(MailAddress Recipient, CertificateCandidate? Chosen, ImmutableArray<CertificateCandidate> Candidates)
{
    /// <summary>The chosen one is his organisation's: its gateway opens the mail, and not he himself (RFC 3183).</summary>
    public bool IsOfDomain { get; init; }

    /// <summary>None is chosen, but one lacks nothing save news of its revocation: how long waiting for them makes sense. Null: it makes none.</summary>
    public TimeSpan? Wait => Chosen is null && Candidates.Where(c => c.Rejections.All(r => r.IsTemporary)).ToArray() is { Length: > 0 } hopeful
        ? hopeful.Max(c => c.Rejections.Min(r => r.Wait))
        : null;

    /// <summary>Plain text for explain, holds and reports.</summary>
    public string Describe()
    {
        if (Candidates.IsEmpty)
            return $"There is no certificate for {Recipient}.";
        var text = new StringBuilder();
        text.Append(Chosen is null ? $"No certificate for {Recipient} can be used." : $"For {Recipient}{(IsOfDomain ? ", by the organisation's certificate, which its gateway opens" : "")}: {Chosen.Describe()}.");
        foreach (var candidate in Candidates.Where(c => !c.IsUsable))
            text.Append(CultureInfo.InvariantCulture, $" Not used: {candidate.Describe()}");
        return text.ToString();
    }

    internal bool ExpiresBefore(DateTimeOffset now) => Chosen is not null && Chosen.Certificate.NotAfter.ToUniversalTime() < now.UtcDateTime;
}
