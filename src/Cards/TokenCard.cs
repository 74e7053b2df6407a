using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Pkcs11;
using GatewaySecure.SmartCard;

namespace GatewaySecure.Cards;

/// <summary>
/// A PKCS #11 token as a card. The login is the token's in this whole process; a session's end logs out. What the token can't do of
/// RSA's paddings is done here over the bare power, where it offers that.
/// </summary>
public sealed partial class TokenCard : IIssuableCard, IDisposable
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(300);

    private readonly Pkcs11Module _module;
    private readonly TokenConnection _connection;
    private TokenRole? _role;

    /// <summary>For keys that want the PIN before each use; serves once.</summary>
    private string? _pinForOne;

    private TokenCard(Pkcs11Module module, TokenSelector token)
    {
        _module = module;
        _connection = TokenConnection.Open(module, token);
    }

    /// <param name="label">Null: the only token that the module shows.</param>
    /// <exception cref="CardException">No such module or token.</exception>
    public static TokenCard Open(string module, string? label) =>
        Translated(() => new TokenCard(Pkcs11Module.Load(module), new TokenSelector(label)));

    public CardKind Kind => CardKind.Token;

    /// <summary>Returns when the token is not there any more.</summary>
    internal async Task WaitForRemovalAsync(TimeProvider time, CancellationToken cancellationToken)
    {
        try
        {
            var serial = _connection.Describe().Serial;
            using var timer = new PeriodicTimer(LookEvery, time);
            while (_module.Slots().Any(s => s.Token?.Serial == serial))
                await timer.WaitForNextTickAsync(cancellationToken);
        }
        catch (TokenException)
        {
            // The module, or the token's slot, is gone with it.
        }
    }

    public void Dispose() => _connection.Dispose();

    public IDisposable BeginSession() => new Session(this);

    public CardDescription Describe() => Translated(() =>
    {
        var token = _connection.Describe();
        return new CardDescription(CardKind.Token, $"PKCS #11 token {token.Label} ({token.Manufacturer} {token.Model})", token.Serial, _connection.DeciphersAes(),
        [
            new CardPinState(CardPin.User, Tries(token.UserPin), token.HasUserPin),
            new CardPinState(CardPin.Administrator, Tries(token.OfficerPin)),
        ]);
    });

    public IReadOnlyList<CardHeldKey> ReadKeys() => Run(session =>
    {
        var certificates = session.FindAll(TokenObjectKind.Certificate)
            .GroupBy(c => Convert.ToHexString(session.Id(c)))
            .ToDictionary(g => g.Key, g => session.ReadValue(g.First()) ?? []);
        var keys = new List<CardHeldKey>();
        foreach (var half in session.FindAll(TokenObjectKind.PublicKey))
        {
            var id = session.Id(half);
            var certificate = certificates.GetValueOrDefault(Convert.ToHexString(id), []);
            certificates.Remove(Convert.ToHexString(id));
            if (id.Length > 0 && PublicKey(session, half) is { } key)
                keys.Add(new CardHeldKey(TokenSlots.Find(id) ?? Foreign(id, certificate, session.Describe(half).Uses), key, certificate));
        }
        // Tokens of other programs often hold a certificate and no public key object.
        foreach (var (name, certificate) in certificates)
        {
            if (name.Length > 0 && PublicKey(certificate) is { } key)
                keys.Add(new CardHeldKey(TokenSlots.Find(Convert.FromHexString(name)) ?? Foreign(Convert.FromHexString(name), certificate, KeyUses.None), key, certificate));
        }
        return keys.OrderBy(k => TokenSlots.Order(k.Slot)).ToList();
    });

    public byte[]? ReadIdentity() => Run(session =>
        session.FindAll(TokenObjectKind.Data, TokenSlots.IdentityLabel) is [var found, ..] && session.ReadValue(found) is { Length: > 0 } value ? value : null);

    public PinResult Verify(CardPin pin, ReadOnlySpan<char> code, CardUse use)
    {
        if (code.IsEmpty)
            throw new ArgumentException("A PIN is not empty.");
        var role = Role(pin);
        var text = code.ToString();
        var result = Answer(pin, Translated(() => _connection.Login(role, text)));
        _role = result is PinResult.Ok ? role : null;
        _pinForOne = result is PinResult.Ok && role == TokenRole.User && use == CardUse.Sign ? text : null;
        return result;
    }

    public PinResult ChangePin(CardPin pin, ReadOnlySpan<char> old, ReadOnlySpan<char> fresh)
    {
        // The token changes the PIN of who is logged in; so a wrong old one is told apart from a new one that it does not take.
        if (Verify(pin, old, CardUse.Decipher) is not PinResult.Ok and var refused)
            return refused;
        var (before, after) = (old.ToString(), fresh.ToString());
        return Translated(() => _connection.ChangePin(before, after)) == PinAnswer.Accepted ? new PinResult.Ok()
            : throw new CardException(CardFault.Protocol, "The token does not take this as a new PIN; its length may not fit.");
    }

    public PinResult Unblock(CardPin by, ReadOnlySpan<char> code, ReadOnlySpan<char> fresh)
    {
        if (by != CardPin.Administrator)
            throw new CardException(CardFault.NotSupported, "A token has no unblocking code: its security officer sets a new PIN.");
        if (Verify(by, code, CardUse.Authenticate) is not PinResult.Ok and var refused)
            return refused;
        var after = fresh.ToString();
        Run(session =>
        {
            session.ResetUserPin(after);
            return true;
        });
        return new PinResult.Ok();
    }

    public byte[] SignHash(CardHeldKey key, ReadOnlySpan<byte> hash, HashAlgorithmName algorithm, RSASignaturePadding? padding)
    {
        var digest = key.Public.Rsa is null ? hash[..Math.Min(hash.Length, key.Public.FieldLength)].ToArray() : hash.ToArray();
        var pin = _pinForOne;
        _pinForOne = null;
        return WithPrivate(key, (session, half) =>
        {
            var again = session.WantsPinEachTime(half)
                ? pin ?? throw new CardException(CardFault.PinNeeded, "This key of the token wants the PIN before each signature.")
                : null;
            return key.Public.Rsa is null ? session.SignEcdsa(half, digest, again)
                : session.SignRsa(half, digest, algorithm, padding ?? RSASignaturePadding.Pkcs1, again);
        });
    }

    public byte[] DecipherRsa(CardHeldKey key, ReadOnlySpan<byte> cryptogram, RSAEncryptionPadding padding)
    {
        var secret = cryptogram.ToArray();
        try
        {
            return WithPrivate(key, (session, half) => Decipher(session, half, secret, padding));
        }
        catch (CardException e) when (e.Fault == CardFault.Protocol)
        {
            throw new CryptographicException("The token can't decipher this.", e);
        }
    }

    public byte[] Agree(CardHeldKey key, ECPoint other)
    {
        byte[] point = [0x04, .. other.X!, .. other.Y!];
        try
        {
            return WithPrivate(key, (session, half) => session.Agree(half, point));
        }
        catch (CardException e) when (e.Fault == CardFault.Protocol)
        {
            throw new CryptographicException("The token can't agree on a key with this.", e);
        }
    }

    public byte[] DecipherAes(ReadOnlySpan<byte> blocks)
    {
        var input = blocks.ToArray();
        Demand(TokenRole.User);
        return Run(session => session.TryFind(TokenObjectKind.SecretKey, TokenSlots.MasterKeyLabel) is { } key
            ? session.DecryptCbc(key, input)
            : throw new CardException(CardFault.NotFound, "The token has no master key for KDC mail."));
    }

    /// <summary>OAEP by the token where it can, else over the bare power; many can do one of the two only.</summary>
    private static byte[] Decipher(TokenSession session, TokenObject key, byte[] secret, RSAEncryptionPadding padding)
    {
        try
        {
            return session.DecryptRsa(key, secret, padding);
        }
        catch (TokenException e) when (e.Fault == TokenFault.NotSupported && padding.Mode == RSAEncryptionPaddingMode.Oaep)
        {
            var block = session.DecryptRsaRaw(key, secret);
            try
            {
                return RsaPadding.TakeOff(block, padding);
            }
            finally
            {
                CryptographicOperations.ZeroMemory(block);
            }
        }
    }

    private byte[] WithPrivate(CardHeldKey key, Func<TokenSession, TokenObject, byte[]> use)
    {
        Demand(TokenRole.User);
        return Run(session => session.FindAll(TokenObjectKind.PrivateKey, id: TokenSlots.Id(key.Slot)) switch
        {
            [var found, ..] => use(session, found),
            _ => throw new CardException(CardFault.NotFound, "The token has no private key to this certificate."),
        });
    }

    private void Demand(TokenRole role)
    {
        if (_role != role)
            throw new CardException(CardFault.PinNeeded, "The token's PIN for it is not verified.");
    }

    private PinResult Answer(CardPin pin, PinAnswer answer) => answer switch
    {
        PinAnswer.Accepted => new PinResult.Ok(),
        PinAnswer.Locked => new PinResult.Blocked(),
        _ => Describe().Pin(pin) is { TriesLeft: 0 } ? new PinResult.Blocked() : new PinResult.Wrong(Describe().Pin(pin)?.TriesLeft),
    };

    private static TokenRole Role(CardPin pin) => pin switch
    {
        CardPin.User => TokenRole.User,
        CardPin.Administrator => TokenRole.SecurityOfficer,
        _ => throw new CardException(CardFault.NotSupported, "A token has no unblocking code."),
    };

    private static int? Tries(PinTries tries) => tries switch
    {
        PinTries.Locked => 0,
        PinTries.Last => 1,
        _ => null,
    };

    /// <summary>A key of another program's: by its certificate's word, else by what the public half may do.</summary>
    private static CardSlot Foreign(byte[] id, byte[] certificate, KeyUses uses)
    {
        const X509KeyUsageFlags Opens = X509KeyUsageFlags.KeyEncipherment | X509KeyUsageFlags.KeyAgreement;
        var told = Usage(certificate);
        var opens = told is { } flags ? (flags & Opens) != 0 : certificate.Length > 0 || (uses & (KeyUses.Encrypt | KeyUses.Wrap)) != 0;
        return new CardSlot(Convert.ToHexString(id), opens ? CardUse.Decipher : CardUse.Sign);
    }

    private static X509KeyUsageFlags? Usage(byte[] certificate)
    {
        if (certificate.Length == 0)
            return null;
        try
        {
            using var parsed = X509CertificateLoader.LoadCertificate(certificate);
            return parsed.Extensions.OfType<X509KeyUsageExtension>().FirstOrDefault()?.KeyUsages;
        }
        catch (CryptographicException)
        {
            // Not a certificate: it says nothing.
            return null;
        }
    }

    private static CardPublicKey? PublicKey(TokenSession session, TokenObject half)
    {
        if (session.ReadRsa(half) is { } numbers)
        {
            using var rsa = RSA.Create(numbers);
            return CardPublicKey.Of(rsa);
        }
        if (session.ReadEc(half) is not { } point)
            return null;
        using var curve = ECDsa.Create(point);
        return CardPublicKey.Of(curve);
    }

    private static CardPublicKey? PublicKey(byte[] certificate)
    {
        try
        {
            using var parsed = X509CertificateLoader.LoadCertificate(certificate);
            return CardPublicKey.Of(parsed);
        }
        catch (CryptographicException)
        {
            // Not a certificate; other objects may be what is looked for.
            return null;
        }
    }

    private T Run<T>(Func<TokenSession, T> call) => Translated(() => _connection.Run(call));

    private static T Translated<T>(Func<T> call)
    {
        try
        {
            return call();
        }
        catch (TokenException e)
        {
            var fault = e.Fault switch
            {
                TokenFault.TokenAway or TokenFault.Stale => CardFault.NoCard,
                TokenFault.ModuleMissing => CardFault.NoService,
                TokenFault.PinNeeded or TokenFault.PinWrong or TokenFault.PinLocked => CardFault.PinNeeded,
                TokenFault.NotFound => CardFault.NotFound,
                TokenFault.NotSupported => CardFault.NotSupported,
                _ => CardFault.Protocol,
            };
            throw new CardException(fault, e.Message);
        }
    }

    private sealed class Session(TokenCard card) : IDisposable
    {
        public void Dispose()
        {
            card._role = null;
            card._pinForOne = null;
            try
            {
                card._connection.Logout();
            }
            catch (TokenException)
            {
                // The token went, and its login with it.
            }
        }
    }
}
