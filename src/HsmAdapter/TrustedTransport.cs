using System.Security.Cryptography;
using GatewaySecure.KdcCore;
using GatewaySecure.Pkcs11;

namespace GatewaySecure.HsmAdapter;

/// <summary>
/// The receivers to whom keys may leave: RSA public keys that the security officer put into the HSM as TRUSTED, each with an AES key that
/// carries what is too long for RSA. That AES key left the HSM once, under the RSA key, and the file of that is kept.
/// </summary>
internal static class TrustedTransport
{
    public static byte[] Fingerprint(ReadOnlyMemory<byte> transportKey) => SHA256.HashData(transportKey.Span);

    public static (TokenObject? Key, string? Objection) Find(TokenSession session, ReadOnlyMemory<byte> transportKey)
    {
        using var rsa = TransportEncryption.ReadKey(transportKey.Span);
        if (rsa is null)
            return (null, $"The transport key is not an RSA key of at least {TransportEncryption.MinimumBits} bits.");
        var modulus = rsa.ExportParameters(false).Modulus;
        // Anybody can put a public key beside it: what counts is the mark, which the officer alone can set, and the key itself.
        foreach (var key in session.FindAll(TokenObjectKind.PublicKey, HsmTemplates.TransportLabel, Fingerprint(transportKey)))
        {
            if (session.Describe(key) is { Trusted: true } && session.ReadRsa(key) is { } known && known.Modulus.AsSpan().SequenceEqual(modulus))
                return (key, null);
        }
        // A refusal is for good, so it is not said for an HSM that went away: that one shows no vault key either, which throws.
        SessionKeys.Of(session).Newest(session);
        return (null, "The security officer has not registered this transport key in the HSM ('kdc vault trust').");
    }

    /// <exception cref="CryptographicException">Not registered.</exception>
    public static TokenObject Demand(TokenSession session, ReadOnlyMemory<byte> transportKey) => Find(session, transportKey) switch
    {
        ({ } key, null) => key,
        (_, var objection) => throw new CryptographicException(objection),
    };

    /// <summary>The AES key for that receiver, and what it is under the receiver's RSA key.</summary>
    public static (TokenObject Key, byte[] Wrapped) Carrier(TokenSession session, ReadOnlyMemory<byte> transportKey, HsmKeyFiles files)
    {
        var fingerprint = Fingerprint(transportKey);
        var carriers = session.FindAll(TokenObjectKind.SecretKey, HsmTemplates.TransportLabel, fingerprint).Where(k => session.Describe(k) is { Trusted: true }).ToList();
        return carriers is [var carrier] && files.ReadCarrier(fingerprint) is { } wrapped
            ? (carrier, wrapped)
            : throw new CryptographicException("The registration of this transport key is not complete; the security officer registers it again.");
    }

    /// <summary>Registers a receiver. The officer is logged in at the call, and the user at its end.</summary>
    public static void Register(TokenConnection token, string userPin, RSA receiver, HsmKeyFiles files)
    {
        var fingerprint = Fingerprint(receiver.ExportSubjectPublicKeyInfo());
        var carrier = token.Run(session =>
        {
            foreach (var old in session.FindAll(TokenObjectKind.PublicKey, HsmTemplates.TransportLabel, fingerprint))
                session.Destroy(old);
            var key = session.ImportRsaPublicKey(receiver.ExportParameters(false), HsmTemplates.Transport(fingerprint, onToken: true));
            var made = session.GenerateAes(HsmTemplates.Transport(fingerprint, onToken: false));
            files.WriteCarrier(fingerprint, session.Wrap(key, made, WrapMethod.RsaOaepSha1));
            return made;
        });
        Ceremony.DemandLogin(token, TokenRole.User, userPin);
        token.Run(session =>
        {
            foreach (var old in session.FindAll(TokenObjectKind.SecretKey, HsmTemplates.TransportLabel, fingerprint).Where(k => k != carrier))
                session.Destroy(old);
            session.Keep(carrier, HsmTemplates.TransportLabel);
            return true;
        });
    }
}
