using System.Text;
using Net.Pkcs11Interop.Common;
using Net.Pkcs11Interop.HighLevelAPI;
using Net.Pkcs11Interop.HighLevelAPI.Factories;

namespace GatewaySecure.Pkcs11;

/// <summary>
/// One session with a token, lent for the time of one call by a <see cref="TokenPool"/> or a <see cref="TokenConnection"/>: not for keeping,
/// not for two threads. Every failure is a <see cref="TokenException"/>.
/// </summary>
public sealed partial class TokenSession
{
    private readonly ISession _session;
    private readonly Dictionary<(TokenObjectKind, string), TokenObject> _byLabel = [];
    private object? _companion;

    internal TokenSession(ISession session, int generation)
    {
        _session = session;
        Generation = generation;
    }

    internal int Generation { get; }

    /// <summary>For tests that attack a token beside what this room offers.</summary>
    internal ISession Raw => _session;

    private static IObjectAttributeFactory Make => Pkcs11Module.Factories.ObjectAttributeFactory;

    /// <summary>What the caller keeps with this session, such as handles of session objects; it goes when the session does.</summary>
    public T Companion<T>()
        where T : class, new() => _companion as T ?? (T)(_companion = new T());

    /// <summary>Every object of that kind, with that label and that id where they are given.</summary>
    public IReadOnlyList<TokenObject> FindAll(TokenObjectKind kind, string? label = null, ReadOnlyMemory<byte> id = default)
    {
        var template = new Attributes(Make.Create(CKA.CKA_CLASS, Class(kind)));
        if (label is not null)
            template.Add(Make.Create(CKA.CKA_LABEL, label));
        if (!id.IsEmpty)
            template.Add(Make.Create(CKA.CKA_ID, id.ToArray()));
        return Guard(template, list => _session.FindAllObjects(list).Select(o => new TokenObject(o.ObjectId)).ToList());
    }

    /// <summary>The one object of that kind and label, remembered for this session.</summary>
    /// <returns>Null where there is none.</returns>
    /// <exception cref="TokenException">There are several.</exception>
    public TokenObject? TryFind(TokenObjectKind kind, string label)
    {
        if (_byLabel.TryGetValue((kind, label), out var known))
            return known;
        switch (FindAll(kind, label))
        {
            case [var found]:
                return _byLabel[(kind, label)] = found;
            case []:
                return null;
            case var several:
                throw new TokenException(TokenFault.NotFound, $"The token has {several.Count} objects '{label}' of one kind; nobody can tell which is meant.");
        }
    }

    /// <exception cref="TokenException">There is none, or there are several.</exception>
    public TokenObject Find(TokenObjectKind kind, string label) =>
        TryFind(kind, label) ?? throw new TokenException(TokenFault.NotFound, $"The token has no {Words(kind)} '{label}'.");

    public void Destroy(TokenObject which) => Guard(() =>
    {
        Forget(which);
        _session.DestroyObject(Handle(which));
        return true;
    });

    /// <summary>A copy that stays in the token: private, not extractable, and its attributes never change again. The first one is destroyed.</summary>
    public TokenObject Keep(TokenObject which, string label)
    {
        var kept = Guard(
            new Attributes(
                Make.Create(CKA.CKA_LABEL, label), Make.Create(CKA.CKA_TOKEN, true), Make.Create(CKA.CKA_PRIVATE, true),
                Make.Create(CKA.CKA_EXTRACTABLE, false), Make.Create(CKA.CKA_MODIFIABLE, false)),
            list => new TokenObject(_session.CopyObject(Handle(which), list).ObjectId));
        Destroy(which);
        return kept;
    }

    public KeyFacts Describe(TokenObject key) => Guard(() =>
    {
        var kind = (CKO)_session.GetAttributeValue(Handle(key), [CKA.CKA_CLASS])[0].GetValueAsUlong();
        var uses = Attributes.Uses(kind).Where(u => Flag(key, u.Attribute) == true).Aggregate(KeyUses.None, (all, u) => all | u.Use);
        return new KeyFacts(
            uses, Octets(key, CKA.CKA_LABEL) is { } label ? Encoding.UTF8.GetString(label) : "",
            Flag(key, CKA.CKA_TOKEN) == true, Flag(key, CKA.CKA_PRIVATE) == true,
            Flag(key, CKA.CKA_SENSITIVE), Flag(key, CKA.CKA_EXTRACTABLE), Flag(key, CKA.CKA_ALWAYS_SENSITIVE), Flag(key, CKA.CKA_NEVER_EXTRACTABLE),
            Flag(key, CKA.CKA_LOCAL), Flag(key, CKA.CKA_WRAP_WITH_TRUSTED), Flag(key, CKA.CKA_TRUSTED), Flag(key, CKA.CKA_MODIFIABLE));
    });

    /// <summary>An object's label.</summary>
    public string Label(TokenObject which) => Guard(() => Octets(which, CKA.CKA_LABEL) is { } label ? Encoding.UTF8.GetString(label) : "");

    /// <summary>An object's CKA_ID, by which keys and certificates belong together.</summary>
    public byte[] Id(TokenObject which) => Guard(() => Octets(which, CKA.CKA_ID) ?? []);

    /// <summary>A certificate's or data object's content, or the value of a key that is not SENSITIVE.</summary>
    /// <returns>Null where the token does not give it.</returns>
    public byte[]? ReadValue(TokenObject which) => Guard(() => Octets(which, CKA.CKA_VALUE));

    /// <summary>Random octets of the token's own source.</summary>
    public byte[] Random(int count) => Guard(() => _session.GenerateRandom(count));

    /// <summary>Sets the user's PIN anew; after the security officer's login.</summary>
    public void ResetUserPin(string pin) => Guard(() =>
    {
        _session.InitPin(Encoding.UTF8.GetBytes(pin));
        return true;
    });

    internal static IObjectHandle Handle(TokenObject which) => Pkcs11Module.Factories.ObjectHandleFactory.Create(which.Handle);

    internal void Close()
    {
        try
        {
            _session.CloseSession();
        }
        catch (Pkcs11Exception)
        {
            // The token is gone, and the session with it.
        }
    }

    internal void Login(CKU role, string? pin) => Guard(() =>
    {
        _session.Login(role, pin is null ? null! : Encoding.UTF8.GetBytes(pin));
        return true;
    });

    internal void Logout() => Guard(() =>
    {
        _byLabel.Clear();
        _session.Logout();
        return true;
    });

    internal void ChangePin(string old, string fresh) => Guard(() =>
    {
        _session.SetPin(Encoding.UTF8.GetBytes(old), Encoding.UTF8.GetBytes(fresh));
        return true;
    });

    private static T Guard<T>(Func<T> call)
    {
        try
        {
            return call();
        }
        catch (Pkcs11Exception e)
        {
            throw Faults.Translate(e);
        }
    }

    /// <summary>With a mechanism whose unmanaged parameters must live as long as the call, and not longer.</summary>
    private static T Guard<T>(IMechanism mechanism, Func<IMechanism, T> call)
    {
        using (mechanism)
            return Guard(() => call(mechanism));
    }

    private static T Guard<T>(Attributes attributes, Func<List<IObjectAttribute>, T> call)
    {
        using (attributes)
            return Guard(() => call(attributes.List));
    }

    private static CKO Class(TokenObjectKind kind) => kind switch
    {
        TokenObjectKind.SecretKey => CKO.CKO_SECRET_KEY,
        TokenObjectKind.PrivateKey => CKO.CKO_PRIVATE_KEY,
        TokenObjectKind.PublicKey => CKO.CKO_PUBLIC_KEY,
        TokenObjectKind.Certificate => CKO.CKO_CERTIFICATE,
        _ => CKO.CKO_DATA,
    };

    private static string Words(TokenObjectKind kind) => kind switch
    {
        TokenObjectKind.SecretKey => "secret key",
        TokenObjectKind.PrivateKey => "private key",
        TokenObjectKind.PublicKey => "public key",
        TokenObjectKind.Certificate => "certificate",
        _ => "data object",
    };

    private void Forget(TokenObject which)
    {
        foreach (var key in _byLabel.Where(p => p.Value == which).Select(p => p.Key).ToList())
            _byLabel.Remove(key);
    }

    private void Set(TokenObject which, IObjectAttribute attribute) => Guard(new Attributes(attribute), list =>
    {
        _session.SetAttributeValue(Handle(which), list);
        return true;
    });

    private bool? Flag(TokenObject which, CKA attribute) => Octets(which, attribute) is [var value] ? value != 0 : null;

    private byte[]? Octets(TokenObject which, CKA attribute)
    {
        using var value = _session.GetAttributeValue(Handle(which), [attribute])[0];
        return value.CannotBeRead ? null : value.GetValueAsByteArray() ?? [];
    }
}
