namespace GatewaySecure.Milter;

/// <summary>Commands of the protocol (sendmail's mfdef.h, SMFIC_…).</summary>
internal enum MilterCommand : byte
{
    Body = (byte)'B',
    Connect = (byte)'C',
    Macro = (byte)'D',
    EndOfMessage = (byte)'E',
    Helo = (byte)'H',
    Header = (byte)'L',
    Mail = (byte)'M',
    EndOfHeader = (byte)'N',
    Negotiate = (byte)'O',
    Quit = (byte)'Q',
    Recipient = (byte)'R',
    Data = (byte)'T',
}

/// <summary>Answers of the protocol (SMFIR_…).</summary>
internal enum MilterAnswer : byte
{
    AddRecipient = (byte)'+',
    AddRecipientWithParameters = (byte)'2',
    DeleteRecipient = (byte)'-',
    Accept = (byte)'a',
    ReplaceBody = (byte)'b',
    Continue = (byte)'c',
    Discard = (byte)'d',
    ChangeSender = (byte)'e',
    ConnectionFailure = (byte)'F',
    AddHeader = (byte)'h',
    InsertHeader = (byte)'i',
    ChangeHeader = (byte)'m',
    Negotiate = (byte)'O',
    Progress = (byte)'p',
    Quarantine = (byte)'q',
    Reject = (byte)'r',
    Shutdown = (byte)'f',
    Skip = (byte)'s',
    TemporaryFailure = (byte)'t',
    ReplyCode = (byte)'y',
}

/// <summary>What the filter may leave out (SMFIP_NO…) or leave unanswered (SMFIP_NR_…).</summary>
[Flags]
internal enum MilterSteps : uint
{
    None = 0,
    NoConnect = 0x1,
    NoHelo = 0x2,
    NoMail = 0x4,
    NoRecipient = 0x8,
    NoBody = 0x10,
    NoHeaders = 0x20,
    NoEndOfHeader = 0x40,
    NoReplyToHeader = 0x80,
    NoUnknown = 0x100,
    NoData = 0x200,
    CanSkip = 0x400,
    NoReplyToConnect = 0x1000,
    NoReplyToHelo = 0x2000,
    NoReplyToMail = 0x4000,
    NoReplyToRecipient = 0x8000,
    NoReplyToData = 0x10000,
    NoReplyToUnknown = 0x20000,
    NoReplyToEndOfHeader = 0x40000,
    NoReplyToBody = 0x80000,
    LeadingSpace = 0x100000,

    /// <summary>All but SMFIP_RCPT_REJ: refused recipients never come this far.</summary>
    Offered = 0x1FF7FF,
}
