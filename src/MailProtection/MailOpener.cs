using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Addresses;
using GatewaySecure.KdcCore;
using GatewaySecure.MailProtection.Opening;
using GatewaySecure.MailProtection.Recipients;

namespace GatewaySecure.MailProtection;

/// <summary>
/// Finds the protected part of a message wherever it is, opens it, and judges it in plain words. Reads the content more than once:
/// not one octet is written to the output before everything was verified. Thread-safe.
/// </summary>
public sealed class MailOpener(TimeProvider time)
{
    /// <exception cref="IOException">The content or the output broke; what the output holds is then to be thrown away.</exception>
    public ValueTask<OpenOutcome> OpenAsync(IMailContent message, OpeningKeys keys, Stream output, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(message);
        ArgumentNullException.ThrowIfNull(keys);
        ArgumentNullException.ThrowIfNull(output);
        return new OpeningSession(message, keys, time).RunAsync(output, cancellationToken);
    }

    /// <summary>
    /// For a gateway: judges the signatures of a message, and takes its encryption off where it can. Only where the message itself is protected and not a part of
    /// it; layer by layer, and signatures inside stay as they are.
    /// </summary>
    /// <exception cref="IOException">The content broke, or the HSM is away: nothing is known.</exception>
    public ValueTask<UnwrappedMail> UnwrapAsync(IMailContent message, OpeningKeys keys, UnwrapOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(message);
        ArgumentNullException.ThrowIfNull(keys);
        ArgumentNullException.ThrowIfNull(options);
        return new OpeningSession(message, keys, time).UnwrapAsync(options, cancellationToken);
    }
}

/// <summary>What the reader holds.</summary>
public sealed record OpeningKeys
{
    /// <summary>The KDC card, where there is one.</summary>
    public CardIdentity? Card { get; init; }

    /// <summary>Every one is tried that a message names: old certificates keep old mail readable.</summary>
    public ImmutableArray<SmimeKey> SmimeKeys { get; init; } = [];

    /// <summary>Anchors, intermediates and CRLs for signatures; null: no signer can be trusted, and the verdict says so.</summary>
    public CertificateDirectory? Trust { get; init; }
}

/// <summary>Whose KDC card this is.</summary>
/// <param name="Realm">The realm that issued it.</param>
/// <param name="Principal">The principal's immutable id, as tickets carry it.</param>
/// <param name="KeyVersion">kvno of the master key on the card.</param>
/// <param name="MasterKey">K_X, after the PIN.</param>
public sealed record CardIdentity(Realm Realm, PrincipalId Principal, int KeyVersion, HolderKey Key)
{
    /// <summary>A card with an AES slot.</summary>
    public CardIdentity(Realm realm, PrincipalId principal, int keyVersion, IMasterKey masterKey)
        : this(realm, principal, keyVersion, new SlotHolderKey(masterKey))
    {
    }
}

/// <summary>A certificate with its decryption key: <see cref="RSA"/>, <see cref="ECDiffieHellman"/>, or an exportable <see cref="ECDsa"/>.</summary>
public sealed record SmimeKey(X509Certificate2 Certificate, AsymmetricAlgorithm Key);

/// <summary>How a reader has to take a verdict.</summary>
public enum VerdictLevel
{
    Good,
    Warning,
    Bad,
}

/// <summary>One thing that is to be known about a mail, in words for its reader.</summary>
public sealed record Verdict(VerdictLevel Level, string Text);

/// <summary>What came of opening.</summary>
public abstract record OpenOutcome
{
    private OpenOutcome() { }

    /// <summary>Verified as far as <paramref name="Mail"/> says, and written.</summary>
    public sealed record Opened(OpenedMail Mail) : OpenOutcome;

    /// <summary>Nothing was written.</summary>
    /// <param name="Failure">The class of it.</param>
    /// <param name="Reason">What to tell the reader, with what to do where something can be done.</param>
    /// <param name="Verdicts">What was found before it failed.</param>
    public sealed record Refused(OpenFailure Failure, string Reason, ImmutableArray<Verdict> Verdicts) : OpenOutcome;
}

/// <summary>Why a mail was not opened.</summary>
public enum OpenFailure
{
    /// <summary>Nothing in it is encrypted or signed.</summary>
    NotProtected,

    /// <summary>It is not for any of the keys at hand.</summary>
    NoKey,

    /// <summary>Its ticket is for an older card of the same person: exchange the ticket.</summary>
    OldCard,

    /// <summary>It can't be decrypted or was changed on the way. Deliberately one class: which of the two is not told.</summary>
    Damaged,

    /// <summary>It does not come from whom it says.</summary>
    WrongSender,

    /// <summary>An algorithm or a form that is not read.</summary>
    Unsupported,
}

/// <summary>An opened mail.</summary>
public sealed record OpenedMail
{
    /// <summary><c>kdc</c>, or <c>ca</c>.</summary>
    public required string Method { get; init; }

    public required bool WasEncrypted { get; init; }

    /// <summary>At least one signature was there and all that were are valid and trusted.</summary>
    public required bool SignatureTrusted { get; init; }

    /// <summary>In the order in which to show them.</summary>
    public required ImmutableArray<Verdict> Verdicts { get; init; }

    /// <summary>The proved sender, where the method proves one.</summary>
    public MailAddress? Sender { get; init; }

    /// <summary>KDC mail: when the KDC issued the ticket.</summary>
    public DateTimeOffset? IssuedAt { get; init; }

    /// <summary>KDC mail: the ticket's id. A client that sees one in a second message warns.</summary>
    public TicketId? TicketId { get; init; }

    /// <summary>The worst of the verdicts.</summary>
    public VerdictLevel Worst => Verdicts.Length == 0 ? VerdictLevel.Good : Verdicts.Max(v => v.Level);
}
