using GatewaySecure.MailProtection;

namespace GatewaySecure.Gateway.Protection;

/// <summary>The form in which a mail passes the scanners, is protected and leaves: as it was accepted, without its encryption, with TNEF opened to MIME. The caller disposes it.</summary>
/// <param name="Kind">What was done to it; empty: the octets that were accepted. Two forms of a mail of the same kind are the same.</param>
/// <param name="Note">For the delivery's record; null: nothing to tell.</param>
/// <param name="Refusal">Its rule wants TNEF opened and that can't be had: it is not sent.</param>
internal sealed record MailForm(IMailContent Content, string Kind = "", string? Note = null, string? Refusal = null) : IDisposable
{
    public bool IsAsAccepted => Kind.Length == 0;

    /// <summary>What was found out about its S/MIME, to stand in <c>Authentication-Results</c>; null: nothing.</summary>
    public string? Found { get; init; }

    /// <summary>What it was unwrapped from; holds keys.</summary>
    public UnwrappedMail? Unwrapped { get; init; }

    public void Dispose() => Unwrapped?.Dispose();
}
