using System.Diagnostics.CodeAnalysis;
using GatewaySecure.Addresses;

namespace GatewaySecure.Policies;

/// <summary>
/// Which addresses a condition means: <c>bob@example.org</c>, <c>example.org</c>, <c>*.example.org</c> (every domain below it, not
/// itself), <c>*</c> (every address), <c>&lt;&gt;</c> (the null reverse-path).
/// </summary>
public sealed class AddressPattern
{
    private readonly string _text;
    private readonly MailAddress? _address;
    private readonly DomainName? _domain;
    private readonly DomainName? _parent;
    private readonly bool _isNull;

    private AddressPattern(string text, MailAddress? address = null, DomainName? domain = null, DomainName? parent = null, bool isNull = false) =>
        (_text, _address, _domain, _parent, _isNull) = (text, address, domain, parent, isNull);

    public static bool TryParse(string? text, [NotNullWhen(true)] out AddressPattern? pattern)
    {
        pattern = text switch
        {
            null or "" => null,
            "*" => new AddressPattern(text),
            "<>" => new AddressPattern(text, isNull: true),
            _ when text.StartsWith("*.", StringComparison.Ordinal) =>
                DomainName.TryParse(text[2..], out var parent) ? new AddressPattern(text, parent: parent) : null,
            _ when text.Contains('@', StringComparison.Ordinal) =>
                // '*@example.org' is a mailbox by the letter of RFC 5321, and never what its writer means: the domain alone says that.
                !text.Contains('*', StringComparison.Ordinal) && MailAddress.TryParse(text, out var address)
                    ? new AddressPattern(text, address: address)
                    : null,
            _ => DomainName.TryParse(text, out var domain) ? new AddressPattern(text, domain: domain) : null,
        };
        return pattern is not null;
    }

    /// <summary>Null is the null reverse-path; only <c>&lt;&gt;</c> means it.</summary>
    public bool Matches(MailAddress? address)
    {
        if (address is null)
            return _isNull;
        if (_address is not null)
            return _address.Equals(address);
        if (_domain is not null)
            return _domain.Equals(address.Domain);
        return _parent is not null ? address.Domain.IsBelow(_parent) : !_isNull;
    }

    public override string ToString() => _text;
}
