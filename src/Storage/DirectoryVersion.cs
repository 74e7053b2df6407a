using Microsoft.Data.Sqlite;

namespace GatewaySecure.Storage;

/// <summary>
/// The counter of changes to principals, read from the database each time, on a connection of its own. What was read
/// under a version is true as long as the version stays.
/// </summary>
internal sealed class DirectoryVersion : IAsyncDisposable
{
    private readonly SqliteConnection _connection;
    private readonly SqliteCommand _command;
    private readonly Lock _lock = new();

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
            return (long)_command.ExecuteScalar()!;
    }

    public async ValueTask DisposeAsync()
    {
        await _command.DisposeAsync();
        await _connection.DisposeAsync();
    }
}
