namespace GatewaySecure.MailProtection;

/// <summary>The one maker of <see cref="SendableMessage"/>: pass-through, S/MIME (<c>ca</c>) or KDC mail (<c>kdc</c>).</summary>
public sealed class MailProtector
{
}
