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
    public static SmtpReply NoStorage { get; } = new(452, "4.3.1", "Insufficient storage, try again later");

    public ReceivingSettings Settings => settings;

    public RecipientGate Gate { get; } = new(settings);

    /// <summary>Null: mail from outside is not examined.</summary>
    public SenderAuthentication? Authentication { get; init; }

    public MailSpool Spool => spool;

    public TrafficControl Traffic => traffic;

    /// <summary>Some rule asks what kind of mail it is.</summary>
    public bool WantsKinds { get; } = settings.Policy.Rules.Any(r => r.Conditions.Any(c => c is Condition.KindIs));

    public TimeProvider Time => time;

    public ILogger Log => log;

    /// <summary>The header fields that may not come from an Exchange of ours, or from anybody else.</summary>
    public ImmutableArray<GuardedField> ForbiddenFrom(bool isExchange) => isExchange ? NotFromExchange : NotFromOthers;

    private ImmutableArray<GuardedField> NotFromExchange => field.IsDefault ? field = GuardedFields.ForExchange(ServiceId) : field;

    private ImmutableArray<GuardedField> NotFromOthers => field.IsDefault ? field = GuardedFields.ForOthers(ServiceId) : field;

    /// <summary>By which our own verdicts are known (RFC 8601 §2.5).</summary>
    private string ServiceId => Authentication?.ServiceId ?? settings.HostName.Ascii;

    /// <summary>Hands a committed mail on.</summary>
    public void Queue(SpooledMail item) => queue(item);
}
