using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using GatewaySecure.Addresses;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.ServerHost;

/// <summary>
/// Writes one line for each event from a thread of its own. Mail never waits for the log: lines that a slow terminal or a full disk
/// does not take are dropped, and their number is told. Control characters in what others wrote are shown as '?', so that nobody
/// can forge a line.
/// </summary>
public sealed class LineLoggerProvider : ILoggerProvider
{
    private readonly BlockingCollection<string> _lines = new(boundedCapacity: 10_000);
    private readonly TextWriter _output;
    private readonly Thread _writer;
    private long _dropped;

    /// <param name="file">Null: standard output.</param>
    public LineLoggerProvider(string? file)
    {
        _output = file is null
            ? new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(false))
            : new StreamWriter(file, append: true, new UTF8Encoding(false));
        _writer = new Thread(WriteLines) { IsBackground = true, Name = "log" };
        _writer.Start();
    }

    public ILogger CreateLogger(string categoryName) => new LineLogger(this);

    public void Dispose()
    {
        _lines.CompleteAdding();
        _writer.Join();
        try
        {
            _output.Dispose();
        }
        catch (IOException)
        {
            // As above: the last lines are lost, and nothing else.
        }
        _lines.Dispose();
    }

    private void WriteLines()
    {
        foreach (var line in _lines.GetConsumingEnumerable())
        {
            try
            {
                if (Interlocked.Exchange(ref _dropped, 0) is > 0 and var dropped)
                    _output.WriteLine($"{dropped} lines of the log were dropped here");
                _output.WriteLine(line);
                if (_lines.Count == 0)
                    _output.Flush();
            }
            catch (IOException)
            {
                // A full disk, or a terminal that is gone: the gateway goes on without this line.
                Interlocked.Increment(ref _dropped);
            }
        }
    }

    private void Add(string line)
    {
        try
        {
            if (!_lines.TryAdd(line))
                Interlocked.Increment(ref _dropped);
        }
        catch (InvalidOperationException)
        {
            // The log is closed: the process is ending.
        }
    }

    private sealed class LineLogger(LineLoggerProvider owner) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            var text = new StringBuilder()
                .Append(DateTimeOffset.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z' ", CultureInfo.InvariantCulture))
                .Append(Word(logLevel))
                .Append(formatter(state, exception));
            if (exception is not null)
                text.Append(" | ").Append(logLevel == LogLevel.Critical ? exception : $"{exception.GetType().Name}: {exception.Message}");
            for (var i = 0; i < text.Length; i++)
            {
                if (!Printable.IsHarmless(text[i]))
                    text[i] = text[i] is '\n' or '\r' ? ' ' : '?';
            }
            owner.Add(text.ToString());
        }

        private static string Word(LogLevel level) => level switch
        {
            LogLevel.Critical => "ALARM ",
            LogLevel.Error => "error ",
            LogLevel.Warning => "warn  ",
            _ => "info  ",
        };
    }
}
