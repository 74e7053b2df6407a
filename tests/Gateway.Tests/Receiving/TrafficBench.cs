using System.Net;
using GatewaySecure.Gateway.Receiving;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.Gateway.Tests.Receiving;

/// <summary>Limits for tests, generous unless told otherwise, and what they log.</summary>
internal sealed class TrafficBench
{
    public TrafficBench(
        TimeProvider time,
        Dictionary<Traffic, Rate>? perAddress = null,
        Dictionary<Traffic, Rate>? passwords = null,
        Rate? perUser = null,
        params IPNetwork[] exempt)
    {
        Refusals = new RefusalLog(Log, time);
        Control = new TrafficControl(
            new ConnectionLimiter(1000, 1000),
            new RateLimiter(new Dictionary<Traffic, Rate>(), perAddress ?? [], time),
            new PasswordLimits(new RateLimiter(new Dictionary<Traffic, Rate>(), passwords ?? [], time), perUser, time),
            [.. exempt],
            Refusals,
            time);
    }

    public KeptLog Log { get; } = new();

    public RefusalLog Refusals { get; }

    public TrafficControl Control { get; }

    /// <param name="relay">Its network is a relay network.</param>
    public Admission Admit(string? relay = null) =>
        new(Control, Control.Connections.TryEnter()!, a => relay is not null && IPNetwork.Parse(relay).Contains(a));

    /// <summary>Lines as they would be written.</summary>
    internal sealed class KeptLog : ILogger
    {
        public List<string> Lines { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Lines.Add(formatter(state, exception));
    }
}
