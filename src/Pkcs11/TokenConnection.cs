using Net.Pkcs11Interop.Common;
using Net.Pkcs11Interop.HighLevelAPI;

namespace GatewaySecure.Pkcs11;

/// <summary>Who logs in.</summary>
public enum TokenRole
{
    User,
    SecurityOfficer,
}

/// <summary>What became of a login or a change of a PIN.</summary>
public enum PinAnswer
{
    Accepted,

    /// <summary>Wrong, and one try less; <see cref="TokenConnection.Describe"/> tells how near to locked.</summary>
    Wrong,

    Locked,
}

/// <summary>
/// One person's work with one token: an operator's or a user's card, or the security officer at a ceremony. One session; the login is the
/// token's and therefore the whole program's, so a token that a <see cref="TokenPool"/> serves is not also opened this way. Not for two threads.
/// Disposing logs out and closes.
/// </summary>
public sealed class TokenConnection : IDisposable
{
    private readonly Pkcs11Module _module;
    private readonly TokenSelector _selector;
    private readonly ulong _slot;
    private readonly TokenSession _session;
    private TokenRole? _role;

    private TokenConnection(Pkcs11Module module, TokenSelector selector, ulong slot, TokenSession session) =>
        (_module, _selector, _slot, _session) = (module, selector, slot, session);

    /// <exception cref="TokenException">There is no such token, or it refuses a session.</exception>
    public static TokenConnection Open(Pkcs11Module module, TokenSelector selector)
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentNullException.ThrowIfNull(selector);
        var slot = module.Find(selector);
        return module.Call(library => new TokenConnection(
            module, selector, slot.Id,
            new TokenSession(Pkcs11Module.Slot(library, slot.Id).OpenSession(SessionType.ReadWrite), module.Generation)));
    }

    /// <summary>An empty token with a security officer's PIN; what was on it is gone. The user's PIN is set by the officer afterwards.</summary>
    public static void Initialize(Pkcs11Module module, ulong slot, string label, string officerPin)
    {
        ArgumentNullException.ThrowIfNull(module);
        module.Call(library =>
        {
            Pkcs11Module.Slot(library, slot).InitToken(officerPin, label);
            return true;
        });
    }

    /// <summary>The token as it is now, with what is left of its PINs' tries.</summary>
    public TokenDescription Describe() =>
        _module.Call(library => TokenDescription.From(Pkcs11Module.Slot(library, _slot).GetTokenInfo()));

    /// <summary>The token itself deciphers with AES in CBC mode.</summary>
    public bool DeciphersAes() =>
        _module.Call(library => Pkcs11Module.Slot(library, _slot).GetMechanismList().Contains(CKM.CKM_AES_CBC));

    /// <summary>Logs in; whoever was logged in by this connection is logged out before.</summary>
    /// <param name="pin">Null where it is typed at the reader.</param>
    public PinAnswer Login(TokenRole role, string? pin)
    {
        Logout();
        var answer = Ask(session => session.Login(role == TokenRole.User ? CKU.CKU_USER : CKU.CKU_SO, pin));
        if (answer == PinAnswer.Accepted)
            _role = role;
        return answer;
    }

    public void Logout()
    {
        if (_role is null)
            return;
        _role = null;
        Run(session =>
        {
            session.Logout();
            return true;
        });
    }

    /// <summary>Of the role that is logged in; the user's where nobody is.</summary>
    public PinAnswer ChangePin(string old, string fresh) => Ask(session => session.ChangePin(old, fresh));

    public T Run<T>(Func<TokenSession, T> call)
    {
        ArgumentNullException.ThrowIfNull(call);
        return _module.Call(_ => _session.Generation == _module.Generation
            ? call(_session)
            : throw new TokenException(TokenFault.Stale, $"The session with {_selector} has ended."));
    }

    public void Dispose()
    {
        try
        {
            Logout();
            Run(session =>
            {
                session.Close();
                return true;
            });
        }
        catch (TokenException)
        {
            // The token went, and login and session with it.
        }
    }

    private PinAnswer Ask(Action<TokenSession> call)
    {
        try
        {
            return Run(session =>
            {
                call(session);
                return PinAnswer.Accepted;
            });
        }
        catch (TokenException e) when (e.Fault is TokenFault.PinWrong or TokenFault.PinLocked)
        {
            return e.Fault == TokenFault.PinLocked ? PinAnswer.Locked : PinAnswer.Wrong;
        }
    }
}
