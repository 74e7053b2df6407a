namespace GatewaySecure.SmartCard;

/// <summary>PC/SC result codes, and what to tell a person about them.</summary>
internal static class PcscErrors
{
    public const uint Cancelled = 0x80100002;
    public const uint InvalidHandle = 0x80100003;
    public const uint UnknownReader = 0x80100009;
    public const uint Timeout = 0x8010000A;
    public const uint SharingViolation = 0x8010000B;
    public const uint NoSmartCard = 0x8010000C;
    public const uint CommunicationError = 0x80100013;
    public const uint NoService = 0x8010001D;
    public const uint ServiceStopped = 0x8010001E;
    public const uint NoReaders = 0x8010002E;
    public const uint ReaderUnavailable = 0x80100017;
    public const uint UnresponsiveCard = 0x80100066;
    public const uint UnpoweredCard = 0x80100067;
    public const uint ResetCard = 0x80100068;
    public const uint RemovedCard = 0x80100069;

    /// <summary>The context is worth nothing any more; a new one may be.</summary>
    public static bool ContextIsLost(uint result) => result is InvalidHandle or CommunicationError or NoService or ServiceStopped;

    public static CardException Exception(uint result) => result switch
    {
        InvalidHandle or CommunicationError or NoService or ServiceStopped => new CardException(CardFault.NoService,
            $"The smart card service does not run (0x{result:X8}). Start it (on Linux: pcscd) and try again."),
        NoReaders or UnknownReader or ReaderUnavailable => new CardException(CardFault.NoReader, "There is no such card reader. Plug it in."),
        NoSmartCard or RemovedCard or UnpoweredCard => new CardException(CardFault.NoCard, "There is no card in the reader. Insert it."),
        UnresponsiveCard => new CardException(CardFault.NoCard, "The card does not answer. Is it the right way round?"),
        ResetCard => new CardException(CardFault.Reset, "Another program reset the card. Try again."),
        SharingViolation => new CardException(CardFault.Busy, 
            "Another program has the card for itself. Close it and try again. (GnuPG: \"gpgconf --kill scdaemon\", and for good \"pcsc-shared\" in scdaemon.conf.)"),
        _ => new CardException(CardFault.Protocol, $"The card reader failed (0x{result:X8}). Reinsert the card."),
    };
}
