using GatewaySecure.Pkcs11;

namespace GatewaySecure.HsmAdapter;

/// <summary>One version of the vault key, as the HSM tells.</summary>
/// <param name="Wraps">New keys come under it; false for one that is being replaced.</param>
/// <param name="Problem">Null where its attributes are those of docs/adr/0005, else which are not.</param>
public sealed record VaultKeyState(int Version, bool Wraps, string? Problem)
{
    internal static VaultKeyState Of(int version, bool isNewest, KeyFacts facts)
    {
        List<string> wrong = [];
        if (facts.Trusted != true)
            wrong.Add("is not TRUSTED");
        if (!facts.Private)
            wrong.Add("is not private");
        if (facts.Sensitive != true)
            wrong.Add("is not SENSITIVE");
        if (facts.Extractable != false)
            wrong.Add("is EXTRACTABLE");
        if (facts.Modifiable != false)
            wrong.Add("is MODIFIABLE");
        if (facts.Uses != (KeyUses.Wrap | KeyUses.Unwrap))
            wrong.Add($"may be used to {facts.Uses}");
        return new VaultKeyState(version, isNewest, wrong.Count == 0 ? null : string.Join(", ", wrong));
    }
}
