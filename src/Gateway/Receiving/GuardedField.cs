using System.Collections.Immutable;
using System.Text;
using GatewaySecure.MailAuthentication;

namespace GatewaySecure.Gateway.Receiving;

/// <summary>Decides about a field by its value, as it stands behind the colon, folded or not.</summary>
internal delegate bool FieldTest(ReadOnlySpan<byte> value);

/// <summary>A header field that not everybody may bring.</summary>
internal sealed class GuardedField
{
    private readonly byte[] _name;
    private readonly bool _isPrefix;

    /// <param name="pattern">Its name, in any case; with <c>*</c> at the end every name that begins so.</param>
    /// <param name="isForged">Null: whatever it holds.</param>
    public GuardedField(string pattern, FieldTest? isForged = null)
    {
        _isPrefix = pattern.EndsWith('*');
        _name = Encoding.ASCII.GetBytes(_isPrefix ? pattern[..^1] : pattern);
        IsForged = isForged;
    }

    public FieldTest? IsForged { get; }

    public bool Means(ReadOnlySpan<byte> name) =>
        (_isPrefix ? name.Length >= _name.Length : name.Length == _name.Length) && Ascii.EqualsIgnoreCase(name[.._name.Length], _name);
}

/// <summary>Which header fields a peer may not bring (docs/transformations.md). Here other parts add theirs.</summary>
internal static class GuardedFields
{
    /// <summary>What only this gateway writes.</summary>
    private const string Ours = "X-GatewaySecure-*";

    /// <summary>What Exchange believes of itself: who was authenticated, which checks were made, what a journal report is.</summary>
    private static readonly string[] OfExchange = ["X-MS-Exchange-*", "X-MS-Journal-Report", "X-OriginatorOrg"];

    /// <summary>From an Exchange server that the configuration lists.</summary>
    public static ImmutableArray<GuardedField> ForExchange(string serviceId) =>
    [
        new GuardedField(Ours),
        // RFC 8601 §5: what claims to be our verdict and is not.
        new GuardedField(AuthenticationResultsField.Name, value => AuthenticationResultsField.ClaimsToBeOf(serviceId, value)),
    ];

    /// <summary>From everybody else.</summary>
    public static ImmutableArray<GuardedField> ForOthers(string serviceId) =>
        [.. ForExchange(serviceId), .. OfExchange.Select(pattern => new GuardedField(pattern))];
}
