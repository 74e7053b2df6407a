using System.Data.Common;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace GatewaySecure.Storage;

/// <summary>
/// Sets synchronous=FULL and secure_delete on each connection: SQLite keeps both per connection, and NORMAL, usual with WAL, loses commits in a power failure.
/// </summary>
internal sealed class DurableConnections : DbConnectionInterceptor
{
    // What is deleted is overwritten with zeros: a key that was thrown away must not lie in a free page.
    private const string Settings = "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON";

    public override void ConnectionOpened(DbConnection connection, ConnectionEndEventData eventData) => Set(connection);

    public static void Set(DbConnection connection)
    {
        using var command = connection.CreateCommand();
        command.CommandText = Settings;
        command.ExecuteNonQuery();
    }

    public override async Task ConnectionOpenedAsync(
        DbConnection connection, ConnectionEndEventData eventData, CancellationToken cancellationToken = default)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = Settings;
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
