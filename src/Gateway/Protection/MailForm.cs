using GatewaySecure.MailProtection;

namespace GatewaySecure.Gateway.Protection;

/// <summary>The form in which a mail passes the scanners, is protected and leaves: as it was accepted, or with TNEF opened to MIME.</summary>
/// <param name="IsOpened">Other octets than those that were accepted.</param>
/// <param name="Note">For the delivery's record; null: nothing to tell.</param>
/// <param name="Refusal">Its rule wants TNEF opened and that can't be had: it is not sent.</param>
internal sealed record MailForm(IMailContent Content, bool IsOpened = false, string? Note = null, string? Refusal = null);
