using GatewaySecure.Gateway.Spool;
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

    public MailSpool Spool => spool;

    public TrafficControl Traffic => traffic;

    public TimeProvider Time => time;

    public ILogger Log => log;

    /// <summary>Hands a committed mail on.</summary>
    public void Queue(SpooledMail item) => queue(item);
}
