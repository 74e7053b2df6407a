using System.Buffers.Binary;
using System.Security.Cryptography;

namespace GatewaySecure.KdcCore;

/// <summary>
/// One line of the audit chain: when, what, who, about whom, and the particulars. Never a key, a subject or a body.
/// </summary>
/// <param name="Action">A fixed word: <c>issue</c>, <c>exchange</c>, <c>refusal</c>, <c>principal.create</c> …</param>
/// <param name="Actor">Principal id, or an operator's name.</param>
/// <param name="Subject">Address or principal id.</param>
public sealed record AuditEvent(DateTimeOffset At, string Action, string Actor, string Subject, string Detail)
{
    /// <summary>SHA-256, the size of each link.</summary>
    public const int HashSize = 32;

    /// <summary>DER: SEQUENCE { GeneralizedTime, four UTF8Strings }, the octets that are chained.</summary>
    public byte[] Encode() => Der.Encode(w =>
    {
        using var _ = w.PushSequence();
        w.WriteTime(At);
        w.WriteText(Action);
        w.WriteText(Actor);
        w.WriteText(Subject);
        w.WriteText(Detail);
    });

    /// <returns>Null where the octets are no event.</returns>
    public static AuditEvent? Decode(ReadOnlyMemory<byte> der) => Der.Decode(
        der,
        outer =>
        {
            var r = outer.ReadSequence();
            var e = new AuditEvent(r.ReadTime(), r.ReadText(), r.ReadText(), r.ReadText(), r.ReadText());
            r.ThrowIfNotEmpty();
            return e;
        },
        e => e.Encode());

    /// <summary>The link: SHA-256(previous link ‖ sequence number, 8 octets big-endian ‖ event). The first link's previous is zeros.</summary>
    public static byte[] Link(ReadOnlySpan<byte> previous, long sequence, ReadOnlySpan<byte> eventDer)
    {
        Span<byte> number = stackalloc byte[8];
        BinaryPrimitives.WriteInt64BigEndian(number, sequence);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(previous);
        hash.AppendData(number);
        hash.AppendData(eventDer);
        return hash.GetHashAndReset();
    }
}
