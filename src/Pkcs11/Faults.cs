using Net.Pkcs11Interop.Common;

namespace GatewaySecure.Pkcs11;

/// <summary>The module's return codes as <see cref="TokenException"/>.</summary>
internal static class Faults
{
    public static TokenException Translate(Pkcs11Exception e)
    {
        var (fault, sentence) = Describe(e.RV);
        return new TokenException(fault, $"{sentence} ({e.Method}: {e.RV})", e);
    }

    private static (TokenFault Fault, string Sentence) Describe(CKR code) => code switch
    {
        CKR.CKR_TOKEN_NOT_PRESENT or CKR.CKR_DEVICE_REMOVED or CKR.CKR_SLOT_ID_INVALID or CKR.CKR_TOKEN_NOT_RECOGNIZED =>
            (TokenFault.TokenAway, "The token is not there."),
        CKR.CKR_SESSION_HANDLE_INVALID or CKR.CKR_SESSION_CLOSED or CKR.CKR_CRYPTOKI_NOT_INITIALIZED =>
            (TokenFault.Stale, "The session with the token has ended."),
        CKR.CKR_USER_NOT_LOGGED_IN => (TokenFault.Stale, "Nobody is logged in on the token."),
        CKR.CKR_OBJECT_HANDLE_INVALID or CKR.CKR_KEY_HANDLE_INVALID or CKR.CKR_WRAPPING_KEY_HANDLE_INVALID or CKR.CKR_UNWRAPPING_KEY_HANDLE_INVALID =>
            (TokenFault.Stale, "The token does not know that object any more."),
        CKR.CKR_PIN_INCORRECT => (TokenFault.PinWrong, "The token refuses the PIN."),
        CKR.CKR_PIN_INVALID or CKR.CKR_PIN_LEN_RANGE => (TokenFault.PinWrong, "That is no PIN that this token takes; look at its length and characters."),
        CKR.CKR_PIN_LOCKED => (TokenFault.PinLocked, "The PIN is locked after wrong tries."),
        CKR.CKR_PIN_EXPIRED => (TokenFault.PinLocked, "The PIN has expired and must be changed."),
        CKR.CKR_USER_PIN_NOT_INITIALIZED => (TokenFault.PinNeeded, "The token has no user PIN yet; the security officer sets it."),
        CKR.CKR_USER_ANOTHER_ALREADY_LOGGED_IN or CKR.CKR_USER_TOO_MANY_TYPES =>
            (TokenFault.NotPermitted, "Somebody else is logged in on the token in this program."),
        CKR.CKR_SESSION_READ_ONLY_EXISTS or CKR.CKR_SESSION_READ_ONLY or CKR.CKR_SESSION_READ_WRITE_SO_EXISTS or CKR.CKR_TOKEN_WRITE_PROTECTED =>
            (TokenFault.NotPermitted, "The session or the token is read-only."),
        CKR.CKR_KEY_FUNCTION_NOT_PERMITTED or CKR.CKR_KEY_NOT_WRAPPABLE or CKR.CKR_KEY_UNEXTRACTABLE or CKR.CKR_ATTRIBUTE_SENSITIVE
            or CKR.CKR_ATTRIBUTE_READ_ONLY or CKR.CKR_TEMPLATE_INCONSISTENT or CKR.CKR_ACTION_PROHIBITED =>
            (TokenFault.NotPermitted, "The token refuses this: what is set for the key does not allow it."),
        CKR.CKR_MECHANISM_INVALID or CKR.CKR_ARGUMENTS_BAD or CKR.CKR_MECHANISM_PARAM_INVALID or CKR.CKR_FUNCTION_NOT_SUPPORTED or CKR.CKR_ATTRIBUTE_TYPE_INVALID
            or CKR.CKR_ATTRIBUTE_VALUE_INVALID or CKR.CKR_KEY_SIZE_RANGE or CKR.CKR_KEY_TYPE_INCONSISTENT or CKR.CKR_CURVE_NOT_SUPPORTED
            or CKR.CKR_DOMAIN_PARAMS_INVALID or CKR.CKR_TEMPLATE_INCOMPLETE or CKR.CKR_WRAPPING_KEY_TYPE_INCONSISTENT
            or CKR.CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT =>
            (TokenFault.NotSupported, "The token can't do this."),
        CKR.CKR_DATA_INVALID or CKR.CKR_DATA_LEN_RANGE or CKR.CKR_ENCRYPTED_DATA_INVALID or CKR.CKR_ENCRYPTED_DATA_LEN_RANGE
            or CKR.CKR_WRAPPED_KEY_INVALID or CKR.CKR_WRAPPED_KEY_LEN_RANGE or CKR.CKR_SIGNATURE_INVALID or CKR.CKR_SIGNATURE_LEN_RANGE =>
            (TokenFault.BadData, "What was given to the token is damaged, or belongs to another key."),
        _ => (TokenFault.Failed, "The token failed."),
    };
}
