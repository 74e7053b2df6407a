using System.Formats.Asn1;
using System.Text;

namespace GatewaySecure.Trust;

/// <summary>
/// Names as keys to compare and look up by: two names that RFC 5280 §7.1 calls the same give the same key (case, white space and the kind of
/// string don't count).
/// </summary>
internal static class NameKeys
{
    private static readonly Asn1Tag DirectoryName = new(TagClass.ContextSpecific, 4, isConstructed: true);
    private static readonly Asn1Tag UniformResourceIdentifier = new(TagClass.ContextSpecific, 6);

    /// <exception cref="AsnContentException">Not a Name.</exception>
    public static string OfName(ReadOnlyMemory<byte> der)
    {
        var key = new StringBuilder();
        var names = new AsnReader(der, AsnEncodingRules.BER).ReadSequence();
        while (names.HasData)
            AppendRelative(key, names.ReadSetOf(skipSortOrderValidation: true));
        return key.ToString();
    }

    /// <summary>A name below another: the issuer's key, and a RelativeDistinguishedName with an implicit tag.</summary>
    public static string OfRelative(string parent, AsnReader relative)
    {
        var key = new StringBuilder(parent);
        AppendRelative(key, relative);
        return Directory(key.ToString());
    }

    /// <summary>Each of GeneralNames, the reader standing inside the sequence.</summary>
    public static IEnumerable<string> OfGeneralNames(AsnReader names)
    {
        while (names.HasData)
        {
            var tag = names.PeekTag();
            if (tag.HasSameClassAndValue(DirectoryName))
                yield return Directory(OfName(names.ReadSequence(DirectoryName).ReadEncodedValue()));
            else
                yield return Convert.ToHexString(names.ReadEncodedValue().Span);
        }
    }

    /// <summary>The URIs among GeneralNames.</summary>
    public static IEnumerable<string> Uris(AsnReader names)
    {
        while (names.HasData)
        {
            if (names.PeekTag().HasSameClassAndValue(UniformResourceIdentifier))
                yield return names.ReadCharacterString(UniversalTagNumber.IA5String, UniformResourceIdentifier);
            else
                names.ReadEncodedValue();
        }
    }

    /// <summary>A directory name as one of GeneralNames.</summary>
    public static string Directory(string nameKey) => "dn:" + nameKey;

    private static void AppendRelative(StringBuilder key, AsnReader set)
    {
        var values = new List<string>();
        while (set.HasData)
        {
            var pair = set.ReadSequence();
            values.Add($"{pair.ReadObjectIdentifier()}={Value(pair)}");
        }
        values.Sort(StringComparer.Ordinal);
        key.Append('/').AppendJoin('+', values);
    }

    private static string Value(AsnReader pair)
    {
        var tag = pair.PeekTag();
        var encoded = pair.PeekEncodedValue();
        if (tag.TagClass != TagClass.Universal)
            return Convert.ToHexString(encoded.Span);
        var content = pair.PeekContentBytes().Span;
        var text = (UniversalTagNumber)tag.TagValue switch
        {
            UniversalTagNumber.UTF8String => Encoding.UTF8.GetString(content),
            UniversalTagNumber.BMPString => Encoding.BigEndianUnicode.GetString(content),
            UniversalTagNumber.PrintableString or UniversalTagNumber.IA5String or UniversalTagNumber.VisibleString or UniversalTagNumber.NumericString
                or UniversalTagNumber.T61String => Encoding.Latin1.GetString(content),
            _ => null,
        };
        // The separators of the key must not come out of a value.
        return text is null
            ? Convert.ToHexString(encoded.Span)
            : string.Join(' ', text.ToLowerInvariant().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
                .Replace("\\", @"\\", StringComparison.Ordinal).Replace("/", @"\/", StringComparison.Ordinal).Replace("+", @"\+", StringComparison.Ordinal);
    }
}
