using System.Security.Cryptography;
using GatewaySecure.KdcCore;

namespace GatewaySecure.MailProtection.Tests;

/// <summary>What a card without an AES slot does, in software; counts how often it was asked.</summary>
internal sealed class SoftwareAgreement : IKeyAgreement, IDisposable
{
    private readonly ECDiffieHellman _key;

    /// <param name="scalar">32 octets in hexadecimal.</param>
    public SoftwareAgreement(string scalar) =>
        _key = ECDiffieHellman.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, D = Convert.FromHexString(scalar) });

    public int Operations { get; private set; }

    public ReadOnlyMemory<byte> Point
    {
        get
        {
            var q = _key.ExportParameters(false).Q;
            return (byte[])[4, .. q.X!, .. q.Y!];
        }
    }

    /// <param name="point">Uncompressed, in hexadecimal.</param>
    public static ECDsa PublicKey(string point) => ECDsa.Create(Parameters(Convert.FromHexString(point)));

    public ValueTask<byte[]> AgreeAsync(ReadOnlyMemory<byte> ephemeral, CancellationToken cancellationToken)
    {
        Operations++;
        using var other = ECDiffieHellman.Create(Parameters(ephemeral.ToArray()));
        using var otherPublic = other.PublicKey;
        return new(_key.DeriveRawSecretAgreement(otherPublic));
    }

    public void Dispose() => _key.Dispose();

    private static ECParameters Parameters(byte[] point) => new()
    {
        Curve = ECCurve.NamedCurves.nistP256,
        Q = new ECPoint { X = point[1..33], Y = point[33..] },
    };
}
