using System.Collections.Immutable;
using GatewaySecure.Addresses;
using GatewaySecure.KdcCore;
using GatewaySecure.SmartCard;

namespace GatewaySecure.CardEnrollment.Issuing;

/// <summary>
/// The KDC as issuing needs it: the record of one card's life. Each call may be made again after an interruption and then answers the same, so a
/// station that died anywhere goes on. A refusal is an <see cref="AdministrationException"/>; no answer is an <see cref="IOException"/>.
/// </summary>
internal interface IIssuingDesk
{
    /// <summary>Opens the record of this card for this holder, or goes on with the open one.</summary>
    Task<IssuingRecord> OpenAsync(IssuingOrder order, CancellationToken cancellationToken);

    /// <summary>The keys that the card made. Until they are certified they may be replaced by others.</summary>
    Task<IssuingRecord> ReportKeysAsync(IssuingRecord record, ImmutableArray<MadeKey> keys, CancellationToken cancellationToken);

    /// <summary>The encryption key, made in the vault and kept in escrow, under the station's transport key.</summary>
    Task<ReadOnlyMemory<byte>> FetchEncryptionKeyAsync(IssuingRecord record, CancellationToken cancellationToken);

    /// <summary>The encryption key is on the card.</summary>
    Task<IssuingRecord> ReportImportAsync(IssuingRecord record, CancellationToken cancellationToken);

    /// <summary>Certificates for the keys of the record; the result holds them.</summary>
    /// <param name="requests">PKCS #10, one for each key that can sign.</param>
    Task<IssuingRecord> CertifyAsync(IssuingRecord record, ImmutableArray<KeyRequest> requests, CancellationToken cancellationToken);

    /// <summary>The card's codes are being changed: from now on it may have either.</summary>
    Task<IssuingRecord> BeginCodesAsync(IssuingRecord record, CancellationToken cancellationToken);

    /// <summary>The card has its new codes.</summary>
    Task<IssuingRecord> ReportCodesAsync(IssuingRecord record, CancellationToken cancellationToken);

    /// <summary>The master key of the record's next version, under the station's transport key; nothing for a card without an AES slot.</summary>
    Task<MasterKeyDelivery> FetchMasterKeyAsync(IssuingRecord record, CancellationToken cancellationToken);

    /// <summary>The card holds its master key and its identity.</summary>
    Task<IssuingRecord> ReportMasterKeyAsync(IssuingRecord record, CancellationToken cancellationToken);

    /// <summary>The holder's receipt, signed by the card; from now on it is active.</summary>
    Task<IssuingRecord> FinishAsync(IssuingRecord record, string receipt, ReadOnlyMemory<byte> signature, CancellationToken cancellationToken);
}
