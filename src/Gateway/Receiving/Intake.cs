using System.Collections.Immutable;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Policies;
using GatewaySecure.Smtp;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.Gateway.Receiving;

/// <summary>What the sessions of one listener share: settings, spool, the way into the queue.</summary>
internal sealed class Intake(
    ReceivingSettings settings, MailSpool spool, Action<SpooledMail> queue, TrafficControl traffic, TimeProvider time, ILogger<Intake> log)
{
    private readonly ImmutableArray<GuardedField> _notFromExchange = GuardedFields.ForExchange(settings.HostName.Ascii);
    private readonly ImmutableArray<GuardedField> _notFromOthers = GuardedFields.ForOthers(settings.HostName.Ascii);

    public static SmtpReply NoStorage { get; } = new(452, "4.3.1", "Insufficient storage, try again later");

    public ReceivingSettings Settings => settings;

    public RecipientGate Gate { get; } = new(settings);

    public MailSpool Spool => spool;

    public TrafficControl Traffic => traffic;

    /// <summary>Some rule asks what kind of mail it is.</summary>
    public bool WantsKinds { get; } = settings.Policy.Rules.Any(r => r.Conditions.Any(c => c is Condition.KindIs));

    public TimeProvider Time => time;

    public ILogger Log => log;

    /// <summary>The header fields that may not come from an Exchange of ours, or from anybody else.</summary>
    public ImmutableArray<GuardedField> ForbiddenFrom(bool isExchange) => isExchange ? _notFromExchange : _notFromOthers;

    /// <summary>Hands a committed mail on.</summary>
    public void Queue(SpooledMail item) => queue(item);
}
