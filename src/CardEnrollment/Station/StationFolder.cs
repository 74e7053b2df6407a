using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using System.Text.Json.Serialization;
using GatewaySecure.Cards;
using GatewaySecure.KdcCore;
using GatewaySecure.SmartCard;

namespace GatewaySecure.CardEnrollment.Station;

/// <summary>
/// What a station keeps: which KDC server it works with, pinned, and its transport key, encrypted by a passphrase or on a token. No PIN, no
/// session, nothing about cards.
/// </summary>
internal sealed class StationFolder
{
    private const int KeyBits = 3072;
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>A guess at the passphrase of a stolen file costs this much (OWASP 2023 for PBKDF2-HMAC-SHA-256).</summary>
    private static readonly PbeParameters Encryption = new(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 600_000);

    private readonly string _directory;
    private readonly StationNote _note;

    private StationFolder(string directory, StationNote note) => (_directory, _note) = (directory, note);

    /// <summary>Where it is, unless told otherwise.</summary>
    public static string Default => Path.Combine(
        Environment.GetFolderPath(Environment.SpecialFolder.ApplicationData, Environment.SpecialFolderOption.DoNotVerify), "gatewaysecure-station");

    public Uri Server => new(_note.Server);

    public Realm Realm => Realm.Parse(_note.Realm);

    /// <summary>The server's own certificate, or the authority that it is from.</summary>
    public X509Certificate2Collection Trust
    {
        get
        {
            var trust = new X509Certificate2Collection();
            trust.ImportFromPem(_note.Trust);
            return trust;
        }
    }

    /// <summary>PEM, for the security officer, who registers it in the HSM.</summary>
    public string TransportKeyFile => Path.Combine(_directory, "transport-key.pub.pem");

    /// <summary>The transport key is on a token and wants its PIN; else the passphrase of its file.</summary>
    public bool KeyIsOnToken => _note.Module is not null;

    /// <summary>SubjectPublicKeyInfo.</summary>
    public byte[] PublicKey
    {
        get
        {
            using var rsa = RSA.Create();
            rsa.ImportFromPem(File.ReadAllText(TransportKeyFile));
            return rsa.ExportSubjectPublicKeyInfo();
        }
    }

    private string KeyFile => Path.Combine(_directory, "transport-key.pem");

    /// <exception cref="IOException">There is none; what to do stands in the message.</exception>
    public static StationFolder Open(string directory)
    {
        var path = NotePath(directory);
        if (!File.Exists(path))
            throw new FileNotFoundException($"{directory} is no station yet: 'cardstation init' makes it one.", path);
        try
        {
            return new StationFolder(directory, JsonSerializer.Deserialize(File.ReadAllText(path), StationJson.Default.StationNote) ?? throw new JsonException());
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{path} is damaged.", e);
        }
    }

    /// <summary>Makes the station, with a new transport key in a file that the passphrase encrypts.</summary>
    /// <exception cref="IOException">There is one.</exception>
    public static StationFolder Create(string directory, StationServer server, ReadOnlySpan<char> passphrase)
    {
        Prepare(directory);
        using var rsa = RSA.Create(KeyBits);
        var folder = new StationFolder(directory, new StationNote(server.Url.AbsoluteUri, server.Realm.Name, server.TrustPem, null, null));
        WriteNew(folder.KeyFile, rsa.ExportEncryptedPkcs8PrivateKeyPem(passphrase, Encryption));
        folder.Save(rsa);
        return folder;
    }

    /// <summary>Makes the station, with a new transport key that a token makes and keeps.</summary>
    /// <exception cref="IOException">There is one.</exception>
    /// <exception cref="CardException">The token does not do it, or the PIN is wrong.</exception>
    public static StationFolder CreateOnToken(string directory, StationServer server, string module, string? token, ReadOnlySpan<char> pin)
    {
        Prepare(directory);
        using var card = TokenCard.Open(module, token);
        using var session = card.BeginSession();
        Demand(card, pin);
        var slot = card.Slot(CardUse.Decipher)!;
        if (card.ReadKeys().Any(k => k.Slot == slot))
            throw new CardException(CardFault.Protocol, "The token has a decipher key already. A station's token serves nothing else.");
        var made = card.GenerateKey(slot, CardKeyAlgorithm.Rsa3072, TimeProvider.System.GetUtcNow());
        using var rsa = RSA.Create(made.Rsa!.Value);
        var folder = new StationFolder(directory, new StationNote(server.Url.AbsoluteUri, server.Realm.Name, server.TrustPem, module, token));
        folder.Save(rsa);
        return folder;
    }

    /// <param name="secret">Passphrase of the file, or PIN of the token.</param>
    /// <exception cref="CryptographicException">Another passphrase.</exception>
    /// <exception cref="CardException">The token is not there, or another PIN.</exception>
    public TransportKey OpenKey(ReadOnlySpan<char> secret)
    {
        if (_note.Module is not { } module)
        {
            var rsa = RSA.Create();
            try
            {
                rsa.ImportFromEncryptedPem(File.ReadAllText(KeyFile), secret);
                return new TransportKey(rsa, []);
            }
            catch (Exception e) when (e is CryptographicException or ArgumentException)
            {
                rsa.Dispose();
                throw new CryptographicException("The passphrase of the station's transport key is another one.", e);
            }
        }
        var card = TokenCard.Open(module, _note.Token);
        IDisposable? session = null;
        try
        {
            session = card.BeginSession();
            Demand(card, secret);
            var held = card.ReadKeys().FirstOrDefault(k => k.Slot == card.Slot(CardUse.Decipher))
                ?? throw new CardException(CardFault.NotFound, "The station's token has lost its transport key.");
            return new TransportKey(new CardRsa(card, held), [session, card]);
        }
        catch
        {
            session?.Dispose();
            card.Dispose();
            throw;
        }
    }

    private static void Demand(TokenCard card, ReadOnlySpan<char> pin)
    {
        switch (card.Verify(CardPin.User, pin, CardUse.Decipher))
        {
            case PinResult.Wrong(var left):
                throw new CardException(CardFault.PinNeeded, PinWords.Wrong(CardPin.User, left));
            case PinResult.Blocked:
                throw new CardException(CardFault.PinNeeded, "The PIN of the station's token is blocked.");
        }
    }

    private static void Prepare(string directory)
    {
        if (File.Exists(NotePath(directory)))
            throw new IOException($"{directory} is a station already. A new transport key must be registered at the KDC: remove the folder if that is what you want.");
        if (OperatingSystem.IsWindows())
            Directory.CreateDirectory(directory);
        else
            Directory.CreateDirectory(directory, Private | UnixFileMode.UserExecute);
    }

    /// <summary>The note comes last: without it there is no station.</summary>
    private void Save(RSA publicHalf)
    {
        WriteNew(TransportKeyFile, publicHalf.ExportSubjectPublicKeyInfoPem());
        WriteNew(NotePath(_directory), JsonSerializer.Serialize(_note, StationJson.Default.StationNote));
    }

    private static void WriteNew(string path, string text)
    {
        // Left by an attempt that did not come to its end.
        File.Delete(path);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = Private;
        using var writer = new StreamWriter(path, options);
        writer.Write(text);
    }

    private static string NotePath(string directory) => Path.Combine(directory, "station.json");
}

/// <summary>The station's private half, as long as this is open; on a token it stays there.</summary>
internal sealed class TransportKey(RSA key, IReadOnlyList<IDisposable> under) : IDisposable
{
    public RSA Key { get; } = key;

    public void Dispose()
    {
        Key.Dispose();
        foreach (var below in under)
            below.Dispose();
    }
}

/// <summary>Which KDC server a station works with.</summary>
/// <param name="TrustPem">The server's own certificate, or the authority that it is from.</param>
internal sealed record StationServer(Uri Url, Realm Realm, string TrustPem);

/// <summary>What <c>station.json</c> says; no secret.</summary>
/// <param name="Trust">PEM.</param>
/// <param name="Module">PKCS #11 module of the token that holds the transport key; null: a file does.</param>
internal sealed record StationNote(string Server, string Realm, string Trust, string? Module, string? Token);

/// <summary>The note's JSON, without reflection.</summary>
[JsonSerializable(typeof(StationNote))]
[JsonSourceGenerationOptions(WriteIndented = true)]
internal sealed partial class StationJson : JsonSerializerContext;
