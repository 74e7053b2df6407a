using System.Collections.Immutable;
using System.Formats.Asn1;

namespace GatewaySecure.Trust.Revocation;

/// <summary>Reasons for which a list may speak, RFC 5280 §4.2.1.13, as bits 1 to 8.</summary>
[Flags]
internal enum RevocationReasons
{
    None = 0,
    All = 0x1FE,
}

/// <summary>Where a certificate says that its revocation is to be found, RFC 5280 §4.2.1.13.</summary>
/// <param name="Names">Keys of the point's names; empty where it has none.</param>
/// <param name="Uris">Where it can be fetched.</param>
/// <param name="Issuers">Keys of cRLIssuer; empty: the certificate's issuer.</param>
internal sealed record DistributionPoint(ImmutableArray<string> Names, ImmutableArray<string> Uris, RevocationReasons Reasons, ImmutableArray<string> Issuers)
{
    private static readonly Asn1Tag Point = new(TagClass.ContextSpecific, 0, isConstructed: true);
    private static readonly Asn1Tag ReasonFlags = new(TagClass.ContextSpecific, 1);
    private static readonly Asn1Tag Relative = new(TagClass.ContextSpecific, 1, isConstructed: true);
    private static readonly Asn1Tag CrlIssuer = new(TagClass.ContextSpecific, 2, isConstructed: true);

    /// <exception cref="AsnContentException">Malformed.</exception>
    public static ImmutableArray<DistributionPoint> ReadAll(ReadOnlyMemory<byte> extension, string issuerKey)
    {
        var points = ImmutableArray.CreateBuilder<DistributionPoint>();
        var sequence = new AsnReader(extension, AsnEncodingRules.DER).ReadSequence();
        while (sequence.HasData)
            points.Add(Read(sequence.ReadSequence(), issuerKey));
        return points.ToImmutable();
    }

    private static DistributionPoint Read(AsnReader reader, string issuerKey)
    {
        ReadOnlyMemory<byte>? name = null;
        var reasons = RevocationReasons.All;
        ImmutableArray<string> issuers = [];
        if (reader.HasData && reader.PeekTag().HasSameClassAndValue(Point))
            name = reader.ReadSequence(Point).ReadEncodedValue();
        if (reader.HasData && reader.PeekTag().HasSameClassAndValue(ReasonFlags))
            reasons = ReadReasons(reader, ReasonFlags);
        if (reader.HasData && reader.PeekTag().HasSameClassAndValue(CrlIssuer))
            issuers = [.. NameKeys.OfGeneralNames(reader.ReadSequence(CrlIssuer))];
        reader.ThrowIfNotEmpty();
        // A relative name stands below the CRL issuer's, of which there is exactly one then.
        var parent = issuers.IsEmpty ? issuerKey : issuers[0][(issuers[0].IndexOf(':', StringComparison.Ordinal) + 1)..];
        return new(name is null ? [] : NamesOf(name.Value, parent), name is null ? [] : UrisOf(name.Value), reasons, issuers);
    }

    /// <summary>Keys of a DistributionPointName.</summary>
    internal static ImmutableArray<string> NamesOf(ReadOnlyMemory<byte> name, string parentKey)
    {
        var reader = new AsnReader(name, AsnEncodingRules.DER);
        return reader.PeekTag().HasSameClassAndValue(Relative)
            ? [NameKeys.OfRelative(parentKey, reader.ReadSetOf(skipSortOrderValidation: true, Relative))]
            : [.. NameKeys.OfGeneralNames(reader.ReadSequence(Point))];
    }

    internal static RevocationReasons ReadReasons(AsnReader reader, Asn1Tag tag)
    {
        var bits = reader.ReadBitString(out _, tag);
        var reasons = RevocationReasons.None;
        for (var bit = 1; bit <= 8; bit++)
        {
            if (bit / 8 < bits.Length && (bits[bit / 8] & (0x80 >> (bit % 8))) != 0)
                reasons |= (RevocationReasons)(1 << bit);
        }
        return reasons;
    }

    private static ImmutableArray<string> UrisOf(ReadOnlyMemory<byte> name)
    {
        var reader = new AsnReader(name, AsnEncodingRules.DER);
        return reader.PeekTag().HasSameClassAndValue(Point) ? [.. NameKeys.Uris(reader.ReadSequence(Point))] : [];
    }
}

/// <summary>What a list is for, RFC 5280 §5.2.5.</summary>
internal sealed record ListScope(
    ImmutableArray<string> Names, bool OnlyUsers, bool OnlyAuthorities, RevocationReasons Reasons, bool IsIndirect, bool OnlyAttributes)
{
    public static ListScope Everything { get; } = new([], false, false, RevocationReasons.All, false, false);

    /// <exception cref="AsnContentException">Malformed.</exception>
    public static ListScope Read(ReadOnlyMemory<byte> extension, string issuerKey)
    {
        var reader = new AsnReader(extension, AsnEncodingRules.DER).ReadSequence();
        var scope = Everything;
        while (reader.HasData)
        {
            var tag = reader.PeekTag();
            scope = tag.TagValue switch
            {
                0 => scope with { Names = DistributionPoint.NamesOf(reader.ReadSequence(tag).ReadEncodedValue(), issuerKey) },
                1 => scope with { OnlyUsers = reader.ReadBoolean(tag) },
                2 => scope with { OnlyAuthorities = reader.ReadBoolean(tag) },
                3 => scope with { Reasons = DistributionPoint.ReadReasons(reader, tag) },
                4 => scope with { IsIndirect = reader.ReadBoolean(tag) },
                5 => scope with { OnlyAttributes = reader.ReadBoolean(tag) },
                _ => throw new AsnContentException("Unknown field of an issuing distribution point."),
            };
        }
        return scope;
    }

    /// <summary>A delta belongs to the complete list of the same scope.</summary>
    public bool IsSameAs(ListScope other) =>
        Names.SequenceEqual(other.Names) && this with { Names = [] } == other with { Names = [] };
}
