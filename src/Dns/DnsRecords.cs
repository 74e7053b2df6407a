using System.Collections.Immutable;

namespace GatewaySecure.Dns;

/// <summary>An MX record (RFC 5321 §5.1).</summary>
/// <param name="Host">In lower case without a final dot; empty for the root, which means "no mail here" (RFC 7505 §3).</param>
public sealed record MailExchanger(int Preference, string Host);

/// <summary>A TLSA record (RFC 6698 §2.1), its numbers as they came.</summary>
public sealed record TlsaAssociation(byte Usage, byte Selector, byte MatchingType, ImmutableArray<byte> Data);
