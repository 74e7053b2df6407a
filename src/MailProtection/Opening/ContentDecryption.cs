using System.Diagnostics.CodeAnalysis;
using System.Formats.Asn1;
using System.Security.Cryptography;
using GatewaySecure.MailProtection.Cms;

namespace GatewaySecure.MailProtection.Opening;

/// <summary>
/// The plaintext of an enveloped object under a content key. Each stream decrypts from the beginning, and reading one to its end checks
/// tag or padding; what was read before that is not verified, and stays inside this room.
/// </summary>
internal sealed class ContentDecryption : OctetSource
{
    private readonly CmsObject _cms;
    private readonly byte[] _key;
    private readonly string _algorithm;
    private readonly byte[] _iv;
    private readonly int _tagLength;

    private ContentDecryption(CmsObject cms, byte[] key, string algorithm, byte[] iv, int tagLength)
    {
        _cms = cms;
        _key = key;
        _algorithm = algorithm;
        _iv = iv;
        _tagLength = tagLength;
    }

    public bool IsAuthenticated => _tagLength > 0;

    public bool IsOld => _algorithm == Oids.DesEde3Cbc;

    /// <summary>Octets of key that the object's algorithm takes; null with its name where it is not read.</summary>
    public static int? KeyLength(CmsObject cms, out string name)
    {
        var oid = ReadAlgorithm(cms.ContentEncryption, out _);
        name = oid == Oids.Rc2Cbc ? "RC2" : oid;
        var authenticated = oid is Oids.Aes128Gcm or Oids.Aes192Gcm or Oids.Aes256Gcm;
        // Each container has its own algorithms: an authenticated one must not be passed off as the other (RFC 5083 §4).
        if (authenticated != (cms.Type == Oids.AuthEnvelopedData))
            return null;
        return oid switch
        {
            Oids.Aes128Cbc or Oids.Aes128Gcm => 16,
            Oids.Aes192Cbc or Oids.Aes192Gcm or Oids.DesEde3Cbc => 24,
            Oids.Aes256Cbc or Oids.Aes256Gcm => 32,
            _ => null,
        };
    }

    /// <exception cref="AsnContentException">Its parameters are malformed.</exception>
    public static ContentDecryption Create(CmsObject cms, byte[] key)
    {
        var algorithm = ReadAlgorithm(cms.ContentEncryption, out var parameters);
        if (cms.Type != Oids.AuthEnvelopedData)
        {
            var iv = parameters.ReadOctetString();
            if (iv.Length != (algorithm == Oids.DesEde3Cbc ? 8 : 16))
                throw new AsnContentException("The IV has a wrong length.");
            return new ContentDecryption(cms, key, algorithm, iv, 0);
        }
        var gcm = parameters.ReadSequence();
        var nonce = gcm.ReadOctetString();
        var tagLength = 12;
        if (gcm.HasData && !gcm.TryReadInt32(out tagLength))
            throw new AsnContentException("The tag's length is malformed.");
        // RFC 5084 §3.2 allows 12 to 16; a shorter one in the message than stated would be guessable.
        if (nonce.Length is < 1 or > 128 || tagLength is < 12 or > 16 || cms.Mac.Length != tagLength)
            throw new AsnContentException("Nonce or tag have a wrong length.");
        return new ContentDecryption(cms, key, algorithm, nonce, tagLength);
    }

    public override Stream OpenRead() => new DecryptingStream(_cms.OpenContent(), CreateCipher());

    [SuppressMessage("Security", "CA5350", Justification = "Triple-DES is read in old mail, with a warning; never produced.")]
    private ContentCipher CreateCipher()
    {
        if (IsAuthenticated)
            return new GcmCipher(_key, _iv, _cms.Mac, _cms.AuthenticatedAttributes);
        SymmetricAlgorithm algorithm = IsOld ? TripleDES.Create() : Aes.Create();
        algorithm.Key = _key;
        algorithm.IV = _iv;
        return new CbcDecryption(algorithm);
    }

    private static string ReadAlgorithm(byte[] identifier, out AsnReader parameters)
    {
        parameters = new AsnReader(identifier, AsnEncodingRules.BER).ReadSequence();
        return parameters.ReadObjectIdentifier();
    }

    private sealed class DecryptingStream(Stream ciphertext, ContentCipher cipher) : ForwardStream
    {
        private const int Step = 16 * 1024;

        private readonly byte[] _in = new byte[Step];
        private readonly byte[] _out = new byte[Step + 64];
        private int _at;
        private int _filled;
        private bool _ended;

        public override int Read(Span<byte> buffer)
        {
            while (_at == _filled && !_ended && !buffer.IsEmpty)
            {
                var read = ciphertext.Read(_in);
                _at = 0;
                _ended = read == 0;
                _filled = _ended ? cipher.Finish(_out) : cipher.Update(_in.AsSpan(0, read), _out);
            }
            var take = Math.Min(buffer.Length, _filled - _at);
            _out.AsSpan(_at, take).CopyTo(buffer);
            _at += take;
            return take;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                CryptographicOperations.ZeroMemory(_out);
                cipher.Dispose();
                ciphertext.Dispose();
            }
            base.Dispose(disposing);
        }
    }
}
