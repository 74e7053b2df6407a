using Net.Pkcs11Interop.Common;
using Net.Pkcs11Interop.HighLevelAPI;
using Net.Pkcs11Interop.HighLevelAPI.Factories;

namespace GatewaySecure.Pkcs11;

/// <summary>Templates as PKCS#11 attributes.</summary>
internal static class Attributes
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

    public static List<IObjectAttribute> Of(this IObjectAttributeFactory make, CKO kind, CKK type, KeyTemplate template)
    {
        List<IObjectAttribute> list =
        [
            make.Create(CKA.CKA_CLASS, kind),
            make.Create(CKA.CKA_KEY_TYPE, type),
            make.Create(CKA.CKA_TOKEN, template.OnToken),
            make.Create(CKA.CKA_PRIVATE, kind != CKO.CKO_PUBLIC_KEY && template.Private),
        ];
        if (template.Label is not null)
            list.Add(make.Create(CKA.CKA_LABEL, template.Label));
        if (!template.Id.IsEmpty)
            list.Add(make.Create(CKA.CKA_ID, template.Id.ToArray()));
        if (kind != CKO.CKO_PUBLIC_KEY)
        {
            list.Add(make.Create(CKA.CKA_SENSITIVE, template.Sensitive));
            list.Add(make.Create(CKA.CKA_EXTRACTABLE, template.Extractable));
            if (template.WrapWithTrusted)
                list.Add(make.Create(CKA.CKA_WRAP_WITH_TRUSTED, true));
        }
        if (template.Trusted)
            list.Add(make.Create(CKA.CKA_TRUSTED, true));
        foreach (var (use, attribute) in Uses(kind))
            list.Add(make.Create(attribute, template.Uses.HasFlag(use)));
        if (template.Unwrapped is { } unwrapped)
            list.Add(make.Create(CKA.CKA_UNWRAP_TEMPLATE, make.Of(unwrapped)));
        if (template.Wrapped is { } wrapped)
            list.Add(make.Create(CKA.CKA_WRAP_TEMPLATE, make.Of(wrapped)));
        return list;
    }

    private static List<IObjectAttribute> Of(this IObjectAttributeFactory make, KeyDemands demands)
    {
        List<IObjectAttribute> list = [];
        void Add(CKA attribute, bool? value)
        {
            if (value is { } told)
                list.Add(make.Create(attribute, told));
        }
        Add(CKA.CKA_SENSITIVE, demands.Sensitive);
        Add(CKA.CKA_EXTRACTABLE, demands.Extractable);
        Add(CKA.CKA_WRAP_WITH_TRUSTED, demands.WrapWithTrusted);
        Add(CKA.CKA_WRAP, demands.Wrap);
        Add(CKA.CKA_UNWRAP, demands.Unwrap);
        Add(CKA.CKA_ENCRYPT, demands.Encrypt);
        return list;
    }
}
