namespace GatewaySecure.KdcTransport.Operator;

// The JSON of /operator/v1 (docs/formats/kdc-openapi.json), as both sides have it. Words for kinds, uses and steps are the names of KdcCore's
// enumerations; octets are base64.

/// <summary>To be signed within a minute.</summary>
/// <param name="Challenge">32 octets.</param>
public sealed record LogOnChallenge(byte[] Challenge);

/// <summary>An operator's card proves itself, for one station and one server (<see cref="LogOnText"/>).</summary>
/// <param name="Certificate">DER: the card's authentication certificate, which is on the operator's record.</param>
/// <param name="TransportKey">SubjectPublicKeyInfo of the station's transport key.</param>
/// <param name="Signature">RSA PKCS #1 v1.5, or ECDSA as DER, over SHA-256 (SHA-384 with a key on P-384).</param>
public sealed record LogOnRequest(byte[] Challenge, byte[] Certificate, byte[] TransportKey, byte[] Signature);

/// <summary>An open session.</summary>
/// <param name="Token">For the field <c>Authorization: Bearer</c>.</param>
/// <param name="Vault">What holds the keys, in plain words.</param>
/// <param name="ForTrials">Keys lie in software.</param>
/// <param name="HeartbeatSeconds">How often to say that the card is still there; three missing ones end the session.</param>
/// <param name="IdleSeconds">So long without a command ends it too.</param>
/// <param name="EndedAnother">The operator had one elsewhere, which has ended.</param>
public sealed record LogOnAnswer(
    string Token, string Operator, string OperatorName, string Realm, string Vault, bool ForTrials, double HeartbeatSeconds, double IdleSeconds, bool EndedAnother);

/// <summary>Why not, one plain sentence.</summary>
public sealed record OperatorRefusal(string Reason);

/// <summary>What a command is done for.</summary>
public sealed record OperatorReason(string Reason);

/// <summary>A user to be put on record.</summary>
public sealed record NewUser(string Name, string Address);

/// <summary>A user.</summary>
/// <param name="Objection">Null in good standing, else the end of a sentence that begins with the name.</param>
public sealed record UserView(string Id, string Name, string[] Addresses, string? Objection, int Kvno);

/// <summary>What is to be issued, on which card.</summary>
/// <param name="Address">The holder's.</param>
/// <param name="Kind"><c>OpenPgp</c>, <c>Piv</c> or <c>Token</c>.</param>
/// <param name="Algorithm"><c>Rsa2048</c>, <c>Rsa3072</c>, <c>Rsa4096</c>, <c>P256</c> or <c>P384</c>.</param>
/// <param name="Until">A temporary card's end.</param>
public sealed record CardOrderBody(string Address, string Serial, string Kind, bool HasAesSlot, string Algorithm, DateTimeOffset? Until = null);

/// <summary>The record of one issuing.</summary>
/// <param name="Step">By <c>CardStep</c>: how far it is.</param>
/// <param name="Standing">By <c>CardStanding</c>.</param>
/// <param name="EscrowedKey">SubjectPublicKeyInfo of the encryption key in escrow; empty where the card makes its own.</param>
/// <param name="RequestsWanted">Uses whose keys still need a PKCS #10 to be certified.</param>
/// <param name="Codes">What the card's codes shall be; only while it is being issued.</param>
/// <param name="EarlierCodes">What they were by an earlier issuing; null: the factory's.</param>
public sealed record CardView(
    string Id,
    string Holder,
    string HolderName,
    CardOrderBody Order,
    string Step,
    string Standing,
    DateTimeOffset Since,
    string? Reason,
    int Kvno,
    byte[] EscrowedKey,
    CardKeyView[] Keys,
    string[] RequestsWanted,
    CardCodesView? Codes,
    CardCodesView? EarlierCodes);

/// <summary>A key of the card.</summary>
/// <param name="Use"><c>Sign</c>, <c>Decipher</c>, <c>Authenticate</c> or <c>Ticket</c>.</param>
/// <param name="PublicKey">SubjectPublicKeyInfo.</param>
/// <param name="Certificate">DER; null before it is certified, and for tickets.</param>
public sealed record CardKeyView(string Use, byte[] PublicKey, byte[]? Certificate = null);

/// <summary>A card's codes, derived by the vault and stored nowhere.</summary>
/// <param name="Administrator">PW3, management key in hexadecimal, security officer's PIN.</param>
/// <param name="Unblocking">Resetting code or PUK; null where such cards have none.</param>
public sealed record CardCodesView(string Administrator, string? Unblocking);

/// <summary>What the card made.</summary>
public sealed record CardKeysBody(CardKeyView[] Keys);

/// <summary>A key under the session's transport key.</summary>
public sealed record SealedKeyAnswer(byte[] Key);

/// <summary>PKCS #10 for each key that can sign.</summary>
public sealed record CardRequestsBody(CardRequestBody[] Requests);

/// <summary>PKCS #10 (DER) for the key of a use.</summary>
public sealed record CardRequestBody(string Use, byte[] Pkcs10);

/// <summary>The master key under the session's transport key (empty for a card without an AES slot), and what the card shall tell of itself.</summary>
public sealed record MasterKeyAnswer(byte[] Key, byte[] Identity);

/// <summary>The holder's receipt, signed by the card's signing key.</summary>
/// <param name="Signature">As <see cref="LogOnRequest.Signature"/>, over the text in UTF-8.</param>
public sealed record CardReceiptBody(string Text, byte[] Signature);

/// <summary>Asks for the keys of a leaver or of a lost card.</summary>
/// <param name="Principal">Whose.</param>
/// <param name="Card">The new card's record that they go to; it is being issued or active.</param>
/// <param name="Reason">One plain sentence, for the audit.</param>
public sealed record RecoveryBody(string Principal, string Card, string Reason);

/// <summary>A recovery, from the request of one operator to the work of two.</summary>
/// <param name="Text">What the second operator's card signs, for the one who asks (<see cref="RecoveryText"/>).</param>
/// <param name="State"><c>requested</c>, <c>approved</c>, <c>done</c> or <c>expired</c>.</param>
public sealed record RecoveryView(
    string Id, string Principal, string PrincipalName, string Card, string CardSerial, string Reason, string RequestedBy, string? ApprovedBy, string State, DateTimeOffset Until, string Text);

/// <summary>The second operator's word, by his card's authentication key.</summary>
public sealed record RecoveryApproval(byte[] Signature);

/// <summary>Old encryption keys, newest first.</summary>
public sealed record RecoveredKeys(RecoveredKeyView[] Keys);

/// <summary>One of them.</summary>
/// <param name="Key">The private half under the session's transport key.</param>
/// <param name="Certificate">DER; null where it was never certified.</param>
public sealed record RecoveredKeyView(byte[] PublicKey, byte[] Key, byte[]? Certificate);
