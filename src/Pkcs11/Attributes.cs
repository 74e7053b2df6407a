using Net.Pkcs11Interop.Common;
using Net.Pkcs11Interop.HighLevelAPI;
using Net.Pkcs11Interop.HighLevelAPI.Factories;

namespace GatewaySecure.Pkcs11;

/// <summary>
/// A template as PKCS#11 attributes. Their unmanaged memory is freed by finalizers as soon as nothing refers to them, a call into the module
/// that reads it being no reference: whoever calls disposes this list after the call, and not before.
/// </summary>
internal sealed class Attributes : IDisposable
{
    private static readonly (KeyUses Use, CKA Attribute)[] SecretUses =
    [
        (KeyUses.Encrypt, CKA.CKA_ENCRYPT), (KeyUses.Decrypt, CKA.CKA_DECRYPT), (KeyUses.Sign, CKA.CKA_SIGN), (KeyUses.Verify, CKA.CKA_VERIFY),
        (KeyUses.Wrap, CKA.CKA_WRAP), (KeyUses.Unwrap, CKA.CKA_UNWRAP), (KeyUses.Derive, CKA.CKA_DERIVE),
    ];

    private static readonly (KeyUses Use, CKA Attribute)[] PrivateUses =
    [
        (KeyUses.Decrypt, CKA.CKA_DECRYPT), (KeyUses.Sign, CKA.CKA_SIGN), (KeyUses.Unwrap, CKA.CKA_UNWRAP), (KeyUses.Derive, CKA.CKA_DERIVE),
    ];

    private static readonly (KeyUses Use, CKA Attribute)[] PublicUses =
        [(KeyUses.Encrypt, CKA.CKA_ENCRYPT), (KeyUses.Verify, CKA.CKA_VERIFY), (KeyUses.Wrap, CKA.CKA_WRAP)];

    public static (KeyUses Use, CKA Attribute)[] Uses(CKO kind) =>
        kind switch { CKO.CKO_SECRET_KEY => SecretUses, CKO.CKO_PRIVATE_KEY => PrivateUses, _ => PublicUses };

    private readonly List<IObjectAttribute> _nested = [];

    public Attributes(params IEnumerable<IObjectAttribute> list) => List = [.. list];

    public Attributes(CKO kind, CKK type, KeyTemplate template)
    {
        List =
        [
            Make.Create(CKA.CKA_CLASS, kind),
            Make.Create(CKA.CKA_KEY_TYPE, type),
            Make.Create(CKA.CKA_TOKEN, template.OnToken),
            Make.Create(CKA.CKA_PRIVATE, kind != CKO.CKO_PUBLIC_KEY && template.Private),
        ];
        if (template.Label is not null)
            List.Add(Make.Create(CKA.CKA_LABEL, template.Label));
        if (!template.Id.IsEmpty)
            List.Add(Make.Create(CKA.CKA_ID, template.Id.ToArray()));
        if (kind != CKO.CKO_PUBLIC_KEY)
        {
            List.Add(Make.Create(CKA.CKA_SENSITIVE, template.Sensitive));
            List.Add(Make.Create(CKA.CKA_EXTRACTABLE, template.Extractable));
            if (template.WrapWithTrusted)
                List.Add(Make.Create(CKA.CKA_WRAP_WITH_TRUSTED, true));
        }
        if (!template.Modifiable)
            List.Add(Make.Create(CKA.CKA_MODIFIABLE, false));
        if (template.Trusted)
            List.Add(Make.Create(CKA.CKA_TRUSTED, true));
        foreach (var (use, attribute) in Uses(kind))
            List.Add(Make.Create(attribute, template.Uses.HasFlag(use)));
        if (template.Unwrapped is { } unwrapped)
            List.Add(Make.Create(CKA.CKA_UNWRAP_TEMPLATE, Nested(unwrapped)));
        if (template.Wrapped is { } wrapped)
            List.Add(Make.Create(CKA.CKA_WRAP_TEMPLATE, Nested(wrapped)));
    }

    public List<IObjectAttribute> List { get; }

    private static IObjectAttributeFactory Make => Pkcs11Module.Factories.ObjectAttributeFactory;

    public Attributes Add(params ReadOnlySpan<IObjectAttribute> more)
    {
        List.AddRange(more);
        return this;
    }

    public void Dispose()
    {
        foreach (var attribute in List.Concat(_nested))
            attribute.Dispose();
    }

    private List<IObjectAttribute> Nested(KeyDemands demands)
    {
        List<IObjectAttribute> list = [];
        void Add(CKA attribute, bool? value)
        {
            if (value is { } told)
                list.Add(Make.Create(attribute, told));
        }
        Add(CKA.CKA_SENSITIVE, demands.Sensitive);
        Add(CKA.CKA_WRAP_WITH_TRUSTED, demands.WrapWithTrusted);
        Add(CKA.CKA_DERIVE, demands.Derive);
        _nested.AddRange(list);
        return list;
    }
}
