using GatewaySecure.Addresses;
using GatewaySecure.MailProtection.Opening;

namespace GatewaySecure.MailProtection;

/// <summary>What a gateway wants of protected mail that comes in.</summary>
/// <param name="Decrypt">False: signatures are judged, and what is encrypted stays closed.</param>
/// <param name="OpenUnsigned">Also what is encrypted in a way that does not show changes, and not signed (EFAIL).</param>
public sealed record UnwrapOptions(bool Decrypt, bool OpenUnsigned = false);

/// <summary>Results for S/MIME in <c>Authentication-Results</c>, RFC 7281 §3.1.</summary>
public enum SmimeResult
{
    /// <summary>Encrypted, and left closed.</summary>
    None,

    /// <summary>Every signature holds, is trusted, and is the sender's or his organisation's.</summary>
    Pass,

    /// <summary>Changed after it was signed.</summary>
    Fail,

    /// <summary>A signature holds, and is not trusted or not the sender's.</summary>
    Policy,

    /// <summary>Encrypted and opened, and not signed.</summary>
    Neutral,

    /// <summary>Whether the signer's certificate was revoked can't be known now.</summary>
    TempError,

    /// <summary>Malformed, or an algorithm that is not read.</summary>
    PermError,
}

/// <summary>What came of unwrapping. The caller disposes it when <see cref="Content"/> was written for the last time.</summary>
/// <param name="Result">Null: the mail is neither signed nor encrypted.</param>
/// <param name="Reason">In plain words, of a few lines at most.</param>
public sealed record UnwrappedMail(SmimeResult? Result, string Reason) : IDisposable
{
    public bool WasEncrypted { get; init; }

    /// <summary>Whom the first trusted signature is of.</summary>
    public UnwrappedSigner? Signer { get; init; }

    /// <summary>The mail without its encryption, signatures inside untouched; null: it stays as it is. Decrypted anew at each reading.</summary>
    public IMailContent? Content { get; init; }

    public void Dispose() => (Content as UnwrappedContent)?.Dispose();
}

/// <summary>Of a signature's certificate.</summary>
/// <param name="Serial">Hexadecimal.</param>
/// <param name="Issuer">Distinguished name.</param>
public sealed record UnwrappedSigner(MailAddress? Address, string Serial, string Issuer);
