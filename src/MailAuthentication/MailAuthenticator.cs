using System.Collections.Frozen;
using System.Net;
using GatewaySecure.Addresses;
using GatewaySecure.Dns;
using GatewaySecure.MailAuthentication.Spf;

namespace GatewaySecure.MailAuthentication;

/// <summary>What to go by.</summary>
public sealed record MailAuthenticationOptions
{
    /// <summary>Domains of forwarders whose ARC seals are believed; A-labels in lower case.</summary>
    public FrozenSet<string> TrustedSealers { get; init; } = [];

    /// <summary>All look-ups of one mail take no longer; what is not known by then counts as temporarily unknown.</summary>
    public TimeSpan Deadline { get; init; } = TimeSpan.FromSeconds(20);
}

/// <summary>Who brought the mail.</summary>
/// <param name="Helo">As the client gave it.</param>
/// <param name="Sender">MAIL FROM; null for <c>&lt;&gt;</c>.</param>
public sealed record MailClient(IPAddress Address, string? Helo, MailAddress? Sender);

/// <summary>
/// Finds out where mail comes from: SPF, DKIM, ARC and DMARC. Nothing in a mail or in the DNS makes it throw; what the DNS does not tell
/// is temporarily unknown. Thread-safe.
/// </summary>
public sealed class MailAuthenticator(IDnsResolver dns, MailAuthenticationOptions options, TimeProvider time)
{
    /// <summary>Begins with one mail, whose octets are then appended as they arrive.</summary>
    /// <param name="checkSpf">False for a peer that forwards for others: its address says nothing.</param>
    public MailExamination Begin(MailClient client, bool checkSpf = true)
    {
        ArgumentNullException.ThrowIfNull(client);
        return new MailExamination(client, checkSpf, dns, new SpfVerifier(dns), options, time);
    }
}
