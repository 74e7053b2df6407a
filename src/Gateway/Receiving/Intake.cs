using System.Collections.Immutable;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Smtp;
using GatewaySecure.Smtp.Server;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.Gateway.Receiving;

/// <summary>What every receiving session shares: settings, spool, the way into the queue.</summary>
internal sealed class Intake(
    ReceivingSettings settings, MailSpool spool, Action<SpooledMail> queue, TimeProvider time, ILogger<Intake> log)
{
    private readonly ImmutableArray<GuardedField> _notFromExchange = GuardedFields.ForExchange(settings.HostName.Ascii);
    private readonly ImmutableArray<GuardedField> _notFromOthers = GuardedFields.ForOthers(settings.HostName.Ascii);

    public static SmtpReply NoStorage { get; } = new(452, "4.3.1", "Insufficient storage, try again later");

    public ReceivingSettings Settings => settings;

    public RecipientGate Gate { get; } = new(settings);

    public MailSpool Spool => spool;

    public TimeProvider Time => time;

    public ILogger Log => log;

    /// <summary>The header fields that a peer may not bring.</summary>
    public ImmutableArray<GuardedField> ForbiddenFrom(SmtpPeer peer) => settings.IsExchangePeer(peer) ? _notFromExchange : _notFromOthers;

    /// <summary>Hands a committed mail on.</summary>
    public void Queue(SpooledMail item) => queue(item);
}
