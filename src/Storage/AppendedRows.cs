using GatewaySecure.KdcCore;
using Microsoft.Data.Sqlite;

namespace GatewaySecure.Storage;

/// <summary>
/// Writes the rows that every ticket leaves and that never change, by prepared statements within a transaction: tracked as entities they cost more
/// than all of a ticket's cryptography.
/// </summary>
internal sealed class AppendedRows : IAsyncDisposable
{
    private readonly SqliteCommand _audit;
    private readonly SqliteCommand _issue;

    public AppendedRows(SqliteTransaction transaction)
    {
        _audit = Command(transaction, "INSERT INTO audit (sequence, event, hash) VALUES ($1, $2, $3)", 3);
        _issue = Command(transaction, "INSERT INTO issue_record (ticket_id, context) VALUES ($1, $2)", 2);
    }

    public void Audit(long sequence, byte[] octets, byte[] hash) => Run(_audit, sequence, octets, hash);

    public void Issue(IssueRecord record) => Run(_issue, record.Id.ToOctets(), record.Context.ToArray());

    public async ValueTask DisposeAsync()
    {
        await _audit.DisposeAsync();
        await _issue.DisposeAsync();
    }

    private static SqliteCommand Command(SqliteTransaction transaction, string text, int parameters)
    {
        var command = transaction.Connection!.CreateCommand();
        command.Transaction = transaction;
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
