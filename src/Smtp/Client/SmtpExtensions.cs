using System.Collections.Immutable;

namespace GatewaySecure.Smtp.Client;

/// <summary>What the peer offered in its answer to the last EHLO (RFC 5321 §4.1.1.1); all false after HELO.</summary>
public sealed record SmtpExtensions
{
    public static SmtpExtensions None { get; } = new();

    public bool Pipelining { get; init; }

    public bool EightBitMime { get; init; }

    public bool SmtpUtf8 { get; init; }

    public bool Chunking { get; init; }

    public bool Dsn { get; init; }

    public bool StartTls { get; init; }

    public bool EnhancedStatusCodes { get; init; }

    /// <summary>SIZE was offered, so that MAIL may state one.</summary>
    public bool Size { get; init; }

    /// <summary>The largest message in octets the peer takes, or null where it gave no limit (RFC 1870 §4).</summary>
    public long? MaxMessageSize { get; init; }

    /// <summary>In capitals.</summary>
    public ImmutableArray<string> Authentication { get; init; } = [];
}
