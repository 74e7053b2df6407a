using System.Security.Cryptography;
using Org.BouncyCastle.Crypto;
using Org.BouncyCastle.Crypto.Modes;
using Org.BouncyCastle.Crypto.Parameters;

namespace GatewaySecure.MailProtection.Cms;

/// <summary>
/// AES over content of any length, in blocks, in one direction. CBC is the platform's; GCM is BouncyCastle's with the processor's AES,
/// because the platform has it in one shot only.
/// </summary>
internal abstract class ContentCipher : IDisposable
{
    public const int BlockLength = 16;
    public const int TagLength = 16;
    public const int NonceLength = 12;

    /// <summary>Room for all of the input and one block is needed in the output.</summary>
    public abstract int Update(ReadOnlySpan<byte> input, Span<byte> output);

    /// <summary>The rest of the output; up to two blocks.</summary>
    /// <exception cref="CryptographicException">Decrypting: the padding or the tag is wrong.</exception>
    public abstract int Finish(Span<byte> output);

    public abstract void Dispose();

    /// <summary>Octets of AES-CBC output with its padding (RFC 5652 §6.3).</summary>
    public static long PaddedLength(long plain) => (plain / BlockLength + 1) * BlockLength;
}

/// <summary>AES-CBC with the padding of RFC 5652 §6.3.</summary>
internal sealed class CbcEncryption : ContentCipher
{
    private readonly Aes _aes = Aes.Create();
    private readonly byte[] _chain;
    private readonly byte[] _carry = new byte[BlockLength];
    private int _carried;

    public CbcEncryption(byte[] key, byte[] iv)
    {
        _aes.Key = key;
        _chain = (byte[])iv.Clone();
    }

    public override int Update(ReadOnlySpan<byte> input, Span<byte> output)
    {
        var written = 0;
        if (_carried > 0)
        {
            var take = Math.Min(BlockLength - _carried, input.Length);
            input[..take].CopyTo(_carry.AsSpan(_carried));
            _carried += take;
            input = input[take..];
            if (_carried < BlockLength)
                return 0;
            written = Encrypt(_carry, output);
            _carried = 0;
        }
        var whole = input.Length - input.Length % BlockLength;
        if (whole > 0)
            written += Encrypt(input[..whole], output[written..]);
        input[whole..].CopyTo(_carry);
        _carried = input.Length - whole;
        return written;
    }

    public override int Finish(Span<byte> output)
    {
        _carry.AsSpan(_carried).Fill((byte)(BlockLength - _carried));
        return Encrypt(_carry, output);
    }

    public override void Dispose()
    {
        CryptographicOperations.ZeroMemory(_carry);
        _aes.Dispose();
    }

    private int Encrypt(ReadOnlySpan<byte> blocks, Span<byte> output)
    {
        var written = _aes.EncryptCbc(blocks, _chain, output, PaddingMode.None);
        output.Slice(written - BlockLength, BlockLength).CopyTo(_chain);
        return written;
    }
}

/// <summary>AES-CBC back to content. A wrong padding shows only at the end, and callers answer it like every other damage.</summary>
internal sealed class CbcDecryption : ContentCipher
{
    private readonly SymmetricAlgorithm _algorithm;
    private readonly ICryptoTransform _transform;
    private readonly int _block;
    private byte[] _pending = [];

    public CbcDecryption(SymmetricAlgorithm algorithm)
    {
        _algorithm = algorithm;
        _block = algorithm.BlockSize / 8;
        algorithm.Mode = CipherMode.CBC;
        algorithm.Padding = PaddingMode.None;
        _transform = algorithm.CreateDecryptor();
    }

    public override int Update(ReadOnlySpan<byte> input, Span<byte> output)
    {
        // The last whole block is held back: it may be the padding.
        var all = new byte[_pending.Length + input.Length];
        _pending.CopyTo(all, 0);
        input.CopyTo(all.AsSpan(_pending.Length));
        var usable = all.Length == 0 ? 0 : (all.Length - 1) / _block * _block;
        _pending = all[usable..];
        if (usable == 0)
            return 0;
        var plain = new byte[usable];
        var written = _transform.TransformBlock(all, 0, usable, plain, 0);
        plain.AsSpan(0, written).CopyTo(output);
        CryptographicOperations.ZeroMemory(plain);
        return written;
    }

    public override int Finish(Span<byte> output)
    {
        if (_pending.Length != _block)
            throw new CryptographicException("The ciphertext is not whole blocks.");
        var last = _transform.TransformFinalBlock(_pending, 0, _block);
        var padding = last[^1];
        var wrong = padding == 0 || padding > _block;
        for (var i = 0; i < _block; i++)
            wrong |= i < padding && last[_block - 1 - i] != padding;
        if (wrong)
            throw new CryptographicException("The padding is wrong.");
        last.AsSpan(0, _block - padding).CopyTo(output);
        return _block - padding;
    }

    public override void Dispose()
    {
        _transform.Dispose();
        _algorithm.Dispose();
    }
}

/// <summary>AES-GCM. Encrypting, <see cref="Tag"/> is there after Finish; decrypting, Finish compares it.</summary>
internal sealed class GcmCipher : ContentCipher
{
    private readonly GcmBlockCipher _gcm = new(Org.BouncyCastle.Crypto.AesUtilities.CreateEngine());
    private readonly bool _encrypt;
    private readonly byte[] _tag;
    private readonly byte[] _tail = new byte[4 * BlockLength];

    public GcmCipher(byte[] key, byte[] nonce)
    {
        _encrypt = true;
        _tag = new byte[TagLength];
        _gcm.Init(true, new AeadParameters(new KeyParameter(key), TagLength * 8, nonce));
    }

    /// <param name="tag">12 to 16 octets (RFC 5084 §3.2), as the message states.</param>
    /// <param name="associated">DER of the authenticated attributes, empty where there are none (RFC 5083 §2.2).</param>
    public GcmCipher(byte[] key, byte[] nonce, byte[] tag, byte[] associated)
    {
        _tag = tag;
        _gcm.Init(false, new AeadParameters(new KeyParameter(key), tag.Length * 8, nonce, associated));
    }

    public ReadOnlySpan<byte> Tag => _tag;

    public override int Update(ReadOnlySpan<byte> input, Span<byte> output) => _gcm.ProcessBytes(input, output);

    public override int Finish(Span<byte> output)
    {
        try
        {
            var rest = 0;
            if (!_encrypt)
                rest = _gcm.ProcessBytes(_tag, _tail);
            rest += _gcm.DoFinal(_tail.AsSpan(rest));
            var content = _encrypt ? rest - TagLength : rest;
            _tail.AsSpan(0, content).CopyTo(output);
            if (_encrypt)
                _tail.AsSpan(content, TagLength).CopyTo(_tag);
            return content;
        }
        catch (InvalidCipherTextException e)
        {
            throw new CryptographicException("The tag is wrong.", e);
        }
    }

    public override void Dispose() => CryptographicOperations.ZeroMemory(_tail);
}
