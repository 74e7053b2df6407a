using GatewaySecure.KdcCore;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;

namespace GatewaySecure.Storage;

/// <summary>
/// The connection that writes the chain. Rows that every ticket leaves and that never change go by prepared statements, which stay as long as the connection
/// does: by entities and a context for each group they cost more than all of a ticket's cryptography. Not thread-safe.
/// </summary>
internal sealed class ChainConnection : IDisposable
{
    private readonly SqliteConnection _connection;
    private readonly SqliteCommand _last;
    private readonly SqliteCommand _audit;
    private readonly SqliteCommand _issue;

    public ChainConnection(string connectionString)
    {
        _connection = new SqliteConnection(connectionString);
        try
        {
            _connection.Open();
            DurableConnections.Set(_connection);
            _last = Command("SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1", 0);
            _audit = Command("INSERT INTO audit (sequence, event, hash) VALUES ($1, $2, $3)", 3);
            _issue = Command("INSERT INTO issue_record (issued_at, context_hash) VALUES ($1, $2)", 2);
            Options = new DbContextOptionsBuilder<GatewayDbContext>().UseSqlite(_connection).Options;
        }
        catch
        {
            _connection.Dispose();
            throw;
        }
    }

    /// <summary>For what else belongs into the transaction.</summary>
    public DbContextOptions<GatewayDbContext> Options { get; }

    /// <summary>Immediate: no other process can add a link between reading the last one and writing ours.</summary>
    public SqliteTransaction Begin()
    {
        var transaction = _connection.BeginTransaction(deferred: false);
        _last.Transaction = _audit.Transaction = _issue.Transaction = transaction;
        return transaction;
    }

    /// <summary>The end of the chain.</summary>
    public (long Sequence, byte[] Hash) Last()
    {
        using var reader = _last.ExecuteReader();
        return reader.Read() ? (reader.GetInt64(0), reader.GetFieldValue<byte[]>(1)) : (0, new byte[AuditEvent.HashSize]);
    }

    public void Audit(long sequence, byte[] octets, byte[] hash) => Run(_audit, sequence, octets, hash);

    public void Issue(IssueRecord record) => Run(_issue, record.IssuedAt.ToUnixTimeSeconds(), record.ContextHash.ToArray());

    public void Dispose()
    {
        _last.Dispose();
        _audit.Dispose();
        _issue.Dispose();
        _connection.Dispose();
    }

    private SqliteCommand Command(string text, int parameters)
    {
        var command = _connection.CreateCommand();
#pragma warning disable CA2100 // The text is one of the constants above.
        command.CommandText = text;
#pragma warning restore CA2100
        for (var i = 1; i <= parameters; i++)
            command.Parameters.Add(new SqliteParameter { ParameterName = $"${i}" });
        return command;
    }

    private static void Run(SqliteCommand command, params ReadOnlySpan<object> values)
    {
        for (var i = 0; i < values.Length; i++)
            command.Parameters[i].Value = values[i];
        command.ExecuteNonQuery();
    }
}
