using System.Data.Common;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace GatewaySecure.Storage;

/// <summary>
/// Sets synchronous=FULL on each connection: SQLite keeps that per connection, and NORMAL, usual with WAL, loses commits in a power failure.
/// </summary>
internal sealed class DurableConnections : DbConnectionInterceptor
{
    public override void ConnectionOpened(DbConnection connection, ConnectionEndEventData eventData)
    {
        using var command = connection.CreateCommand();
        command.CommandText = "PRAGMA synchronous = FULL";
        command.ExecuteNonQuery();
    }

    public override async Task ConnectionOpenedAsync(
        DbConnection connection, ConnectionEndEventData eventData, CancellationToken cancellationToken = default)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = "PRAGMA synchronous = FULL";
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
