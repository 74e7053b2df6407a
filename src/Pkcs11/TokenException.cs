namespace GatewaySecure.Pkcs11;

/// <summary>What went wrong with a token, as far as callers act on it.</summary>
public enum TokenFault
{
    /// <summary>The module file is missing or is no PKCS#11 module for this machine.</summary>
    ModuleMissing,

    /// <summary>No token of that label or serial number is there, or the token went; it may come back.</summary>
    TokenAway,

    /// <summary>The session or an object handle is no longer valid, though the token may be there: open a session anew.</summary>
    Stale,

    /// <summary>There is no PIN to log in with, or the token wants a login first.</summary>
    PinNeeded,

    /// <summary>The token refused the PIN. Trying it again would lock the token.</summary>
    PinWrong,

    /// <summary>The PIN is locked.</summary>
    PinLocked,

    /// <summary>No object of that label or id.</summary>
    NotFound,

    /// <summary>The token refuses by its rules: an attribute of a key, or the role that is logged in, forbids it.</summary>
    NotPermitted,

    /// <summary>The token can't do this mechanism, key type or parameter.</summary>
    NotSupported,

    /// <summary>What was given does not decrypt, unwrap or verify.</summary>
    BadData,

    /// <summary>Anything else that the module reports.</summary>
    Failed,
}

/// <summary>A token or its module failed or refused. The message is a plain sentence and names the module's own code.</summary>
public sealed class TokenException(TokenFault fault, string message, Exception? inner = null) : IOException(message, inner)
{
    public TokenFault Fault { get; } = fault;

    /// <summary>The token, not the call, may be what is wrong: a fresh session is worth a try.</summary>
    internal bool DoubtsSession => Fault is TokenFault.TokenAway or TokenFault.Stale or TokenFault.Failed or TokenFault.NotFound;
}
