using System.Diagnostics;
using Microsoft.Data.Sqlite;

namespace GatewaySecure.Storage;

/// <summary>
/// The counter of changes to principals, on a connection of its own. What was read under a version is true as long as the version stays. This
/// process's own changes are seen at once, another process's within <see cref="Lease"/>: a ticket asks several times, and each time costs as much as
/// its cryptography.
/// </summary>
internal sealed class DirectoryVersion : IAsyncDisposable
{
    /// <summary>Far below what a commit takes.</summary>
    private static readonly long Lease = Stopwatch.Frequency / 10_000;

    private readonly SqliteConnection _connection;
    private readonly SqliteCommand _command;
    private readonly Lock _lock = new();
    private long _last;
    private long _readAt = long.MinValue;

    public DirectoryVersion(string connectionString)
    {
        _connection = new SqliteConnection(connectionString);
        _connection.Open();
        _command = _connection.CreateCommand();
        _command.CommandText = "SELECT version FROM directory_version";
        _command.Prepare();
    }

    public long Read()
    {
        lock (_lock)
        {
            var now = Stopwatch.GetTimestamp();
            if (_readAt == long.MinValue || now - _readAt > Lease)
            {
                // The time before it was asked: it may have changed while it was.
                _last = (long)_command.ExecuteScalar()!;
                _readAt = now;
            }
            return _last;
        }
    }

    /// <summary>Called after a change was committed here, before anybody is told.</summary>
    public void Forget()
    {
        lock (_lock)
            _readAt = long.MinValue;
    }

    public async ValueTask DisposeAsync()
    {
        await _command.DisposeAsync();
        await _connection.DisposeAsync();
    }
}
