using System.Security.Cryptography;
using GatewaySecure.KdcCore;

namespace GatewaySecure.HsmAdapter;

/// <summary>
/// Every key that a server holds: master keys, users' escrowed keys, its own storage and signing keys. In an HSM (<see cref="HsmVault"/>) or,
/// for trials, in software (<see cref="SoftwareVault"/>). Safe for concurrent use.
/// </summary>
public interface IKeyVault : IMasterKeyVault, IMasterKeyReceiver, IEscrowVault, IDisposable
{
    /// <summary>Called with one plain sentence when the vault can't be used any more, and with null when it can again. Must be quick.</summary>
    event Action<string?>? ProblemChanged;

    /// <summary>For the spool's data keys; the same one at each start.</summary>
    SpoolKey Spool { get; }

    /// <summary>For the marks on mail that was dealt with; the same one at each start.</summary>
    MarkKey Marks { get; }

    /// <summary>The organisation's RSA signing key of that name, made when first asked for. The caller disposes it.</summary>
    /// <param name="name">1 to 64 letters, digits, '-' and '_'.</param>
    /// <param name="bits">Of a key that is made; one that is there stays as it is.</param>
    /// <exception cref="IOException">The vault is away; the key's operations throw it too.</exception>
    RSA OrganisationRsaKey(string name, int bits = 3072);

    /// <summary>The organisation's RSA-3072 key of that name that mail is encrypted to, made when first asked for; it signs the request for its certificate. The caller disposes it.</summary>
    /// <exception cref="IOException">The vault is away; the key's operations throw it too.</exception>
    RSA OrganisationOpeningKey(string name);

    /// <summary>The organisation's signing key of that name, ECDSA P-256, made when first asked for. The caller disposes it.</summary>
    /// <exception cref="IOException">The vault is away; the key's operations throw it too.</exception>
    ECDsa OrganisationEcdsaKey(string name);
}
