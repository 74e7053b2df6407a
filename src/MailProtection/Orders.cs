using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Addresses;
using GatewaySecure.KdcCore;
using GatewaySecure.MailProtection.Recipients;

namespace GatewaySecure.MailProtection;

/// <summary>One S/MIME message for one set of recipients.</summary>
/// <param name="Content">The message as it was accepted.</param>
/// <param name="Recipients">Everybody this copy goes to, from the envelope and not from <c>To</c>.</param>
/// <param name="Signer">The organisation's key; null: the message is encrypted only.</param>
/// <param name="Directory">Certificates, trust and revocation as they stand now.</param>
/// <param name="AcceptedAt">Since when the mail waits: for news of a revocation it waits no longer than the authority's rule says.</param>
public sealed record SmimeOrder(
    IMailContent Content,
    ImmutableArray<MailAddress> Recipients,
    SmimeSigner? Signer,
    CertificateDirectory Directory,
    DateTimeOffset AcceptedAt);

/// <summary>One KDC message for one set of recipients.</summary>
/// <param name="Content">The message as it was accepted.</param>
/// <param name="Sender">ID_A: must equal the single From address, or the order fails. Null: of mail from outside, whose From is taken.</param>
/// <param name="Recipients">Everybody this copy goes to; a Bcc copy is an order of its own.</param>
/// <param name="Evidence">How the sender's identity was established.</param>
/// <param name="Tickets">Where tickets come from.</param>
/// <param name="KeptState">What an earlier attempt gave to keep, or null.</param>
public sealed record KdcOrder(
    IMailContent Content,
    MailAddress? Sender,
    ImmutableArray<MailAddress> Recipients,
    Evidence Evidence,
    ITicketSource Tickets,
    ReadOnlyMemory<byte>? KeptState)
{
    /// <summary>
    /// Of mail from outside: whole fields <c>Authentication-Results</c>, each with its line end, that stand inside where nobody else can put them. An attempt
    /// that goes on with kept state says what the first one said.
    /// </summary>
    public ReadOnlyMemory<byte> Found { get; init; }
}

/// <summary>
/// A signing key with its certificate. The key is an <see cref="RSA"/> or an <see cref="ECDsa"/>, may live in an HSM or card and
/// refuse export. What a signature needs of the certificates is prepared once. Thread-safe if the key is.
/// </summary>
public sealed class SmimeSigner
{
    /// <exception cref="ArgumentException">The key is neither RSA nor ECDSA on P-256, P-384 or P-521, or not the certificate's.</exception>
    /// <param name="padding">Of an RSA key; null: PKCS #1 v1.5, which every reader knows.</param>
    public SmimeSigner(
        X509Certificate2 certificate, AsymmetricAlgorithm key, IEnumerable<X509Certificate2>? intermediates = null, RSASignaturePadding? padding = null)
    {
        ArgumentNullException.ThrowIfNull(certificate);
        ArgumentNullException.ThrowIfNull(key);
        Certificate = certificate;
        Profile = Cms.SignerProfile.Create(certificate, key, intermediates ?? [], padding ?? RSASignaturePadding.Pkcs1);
    }

    public X509Certificate2 Certificate { get; }

    internal Cms.SignerProfile Profile { get; }
}
