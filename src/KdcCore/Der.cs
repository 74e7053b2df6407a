using System.Formats.Asn1;
using GatewaySecure.Addresses;

namespace GatewaySecure.KdcCore;

/// <summary>
/// The few DER shapes that all KDC messages share (X.690 §10–11). Readers throw <see cref="AsnContentException"/>;
/// <see cref="Decode{T}"/> also demands that encoding again gives the same octets, so each value has one encoding.
/// </summary>
internal static class Der
{
    [ThreadStatic]
    private static AsnWriter? _writer;

    public static byte[] Encode(Action<AsnWriter> write)
    {
        // One within another gets a writer of its own.
        var writer = _writer ?? new AsnWriter(AsnEncodingRules.DER);
        _writer = null;
        write(writer);
        var octets = writer.Encode();
        // Overwrites what it held.
        writer.Reset();
        _writer = writer;
        return octets;
    }

    /// <returns>Null where the octets are not exactly what <paramref name="encode"/> would write.</returns>
    public static T? Decode<T>(ReadOnlyMemory<byte> der, Func<AsnReader, T> read, Func<T, byte[]> encode)
        where T : class
    {
        try
        {
            var reader = new AsnReader(der, AsnEncodingRules.DER);
            var value = read(reader);
            reader.ThrowIfNotEmpty();
            return der.Span.SequenceEqual(encode(value)) ? value : null;
        }
        catch (AsnContentException)
        {
            return null;
        }
    }

    public static void WriteTime(this AsnWriter writer, DateTimeOffset time) =>
        writer.WriteGeneralizedTime(time.ToUniversalTime(), omitFractionalSeconds: true);

    /// <summary>KDC times have whole seconds.</summary>
    public static DateTimeOffset WholeSeconds(DateTimeOffset time) =>
        new(time.UtcTicks - time.UtcTicks % TimeSpan.TicksPerSecond, TimeSpan.Zero);

    public static DateTimeOffset ReadTime(this AsnReader reader) => WholeSeconds(reader.ReadGeneralizedTime());

    public static void WriteText(this AsnWriter writer, string text) =>
        writer.WriteCharacterString(UniversalTagNumber.UTF8String, text);

    public static string ReadText(this AsnReader reader) => reader.ReadCharacterString(UniversalTagNumber.UTF8String);

    public static MailAddress ReadAddress(this AsnReader reader) =>
        MailAddress.TryParse(reader.ReadText(), out var address) ? address : throw new AsnContentException("Not a mail address.");

    public static Realm ReadRealm(this AsnReader reader) =>
        Realm.TryParse(reader.ReadText(), out var realm) ? realm : throw new AsnContentException("Not a realm.");

    public static PrincipalId ReadPrincipal(this AsnReader reader) => PrincipalId.FromOctets(reader.ReadOctets(PrincipalId.Size));

    public static TicketId ReadTicketId(this AsnReader reader) => TicketId.FromOctets(reader.ReadOctets(TicketId.Size));

    public static byte[] ReadOctets(this AsnReader reader, int size)
    {
        var octets = reader.ReadOctetString();
        return octets.Length == size ? octets : throw new AsnContentException($"{size} octets are needed.");
    }

    public static void ReadVersion(this AsnReader reader, int version = 1)
    {
        if (!reader.TryReadInt32(out var found) || found != version)
            throw new AsnContentException("Unknown version.");
    }

    /// <summary>1 … 2³¹−1.</summary>
    public static int ReadKvno(this AsnReader reader) =>
        reader.TryReadInt32(out var kvno) && kvno > 0 ? kvno : throw new AsnContentException("Not a key version.");

    public static void WriteEvidence(this AsnWriter writer, Evidence evidence) => writer.WriteEnumeratedValue(evidence);

    public static Evidence ReadEvidence(this AsnReader reader)
    {
        var evidence = reader.ReadEnumeratedValue<Evidence>();
        return Enum.IsDefined(evidence) ? evidence : throw new AsnContentException("Unknown evidence.");
    }

    /// <param name="oid">DER.</param>
    public static void ReadThisOid(this AsnReader reader, ReadOnlySpan<byte> oid)
    {
        if (!reader.ReadEncodedValue().Span.SequenceEqual(oid))
            throw new AsnContentException("Unknown algorithm.");
    }
}
