using System.Security.Cryptography;
using GatewaySecure.KdcCore;
using Microsoft.Data.Sqlite;

namespace GatewaySecure.Storage;

/// <summary>
/// The tables, as numbered steps that are applied in one transaction; <c>PRAGMA user_version</c> counts them
/// (docs/adr/0002). A database of a newer program is refused.
/// </summary>
internal static class Schema
{
    // directory_version: counts changes of principals, so that a reader knows in one short query whether what it has is still true.
    private static readonly string[] Steps =
    [
        """
        CREATE TABLE principal (
          id TEXT NOT NULL PRIMARY KEY, kind INTEGER NOT NULL, name TEXT NOT NULL, status INTEGER NOT NULL, status_reason TEXT,
          status_since INTEGER NOT NULL, expires_at INTEGER, kvno INTEGER NOT NULL, sender_domains TEXT NOT NULL,
          revision INTEGER NOT NULL) STRICT;
        CREATE UNIQUE INDEX principal_gateway_name ON principal (name) WHERE kind = 2 AND status <> 3;
        CREATE TABLE principal_address (
          id INTEGER NOT NULL PRIMARY KEY, principal_id TEXT NOT NULL REFERENCES principal (id), address_key TEXT NOT NULL,
          address TEXT NOT NULL, valid_from INTEGER NOT NULL, valid_until INTEGER) STRICT;
        CREATE UNIQUE INDEX principal_address_open ON principal_address (address_key) WHERE valid_until IS NULL;
        CREATE INDEX principal_address_key ON principal_address (address_key);
        CREATE INDEX principal_address_principal ON principal_address (principal_id);
        CREATE TABLE master_key (
          principal_id TEXT NOT NULL REFERENCES principal (id), kvno INTEGER NOT NULL, wrapped BLOB NOT NULL,
          PRIMARY KEY (principal_id, kvno)) STRICT, WITHOUT ROWID;
        CREATE TABLE issue_record (ticket_id BLOB NOT NULL PRIMARY KEY, context BLOB NOT NULL) STRICT, WITHOUT ROWID;
        CREATE TABLE audit (sequence INTEGER NOT NULL PRIMARY KEY, event BLOB NOT NULL, hash BLOB NOT NULL) STRICT;
        CREATE TABLE directory_version (one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL) STRICT;
        INSERT INTO directory_version VALUES (1, 0);
        CREATE TRIGGER principal_inserted AFTER INSERT ON principal BEGIN UPDATE directory_version SET version = version + 1; END;
        CREATE TRIGGER principal_updated AFTER UPDATE ON principal BEGIN UPDATE directory_version SET version = version + 1; END;
        """,
        """
        CREATE TABLE certificate (
          serial TEXT NOT NULL PRIMARY KEY, holder_id TEXT REFERENCES principal (id), use INTEGER NOT NULL, der BLOB NOT NULL,
          not_after INTEGER NOT NULL, revoked_at INTEGER, reason INTEGER) STRICT;
        CREATE INDEX certificate_holder ON certificate (holder_id);
        CREATE INDEX certificate_revoked ON certificate (serial) WHERE revoked_at IS NOT NULL;
        CREATE TABLE crl (
          one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL, der BLOB NOT NULL,
          this_update INTEGER NOT NULL, next_update INTEGER NOT NULL) STRICT;
        """,
        """
        ALTER TABLE principal ADD COLUMN certificates TEXT NOT NULL DEFAULT '';
        ALTER TABLE principal ADD COLUMN active_from INTEGER;
        ALTER TABLE principal ADD COLUMN deleted_at INTEGER;
        ALTER TABLE principal ADD COLUMN enrolment_hash BLOB;
        ALTER TABLE principal ADD COLUMN enrolment_until INTEGER;
        """,
        """
        CREATE TABLE card_point (
          principal_id TEXT NOT NULL REFERENCES principal (id), kvno INTEGER NOT NULL, point BLOB NOT NULL, binding BLOB NOT NULL,
          PRIMARY KEY (principal_id, kvno)) STRICT, WITHOUT ROWID;
        """,
        """
        CREATE TABLE audit_key (principal_id TEXT NOT NULL PRIMARY KEY REFERENCES principal (id), key BLOB NOT NULL) STRICT, WITHOUT ROWID;
        INSERT INTO audit_key SELECT id, randomblob(32) FROM principal;
        """,
        """
        CREATE TABLE escrowed_key (
          id BLOB NOT NULL PRIMARY KEY, principal_id TEXT NOT NULL REFERENCES principal (id), algorithm INTEGER NOT NULL,
          public_key BLOB NOT NULL, wrapped BLOB NOT NULL) STRICT, WITHOUT ROWID;
        CREATE INDEX escrowed_key_principal ON escrowed_key (principal_id);
        """,
        // In the order of time, where ids of tickets are random: a row goes to the end of the table instead of anywhere in it.
        """
        CREATE TABLE issued (
          issued_at INTEGER NOT NULL, context_hash BLOB NOT NULL, PRIMARY KEY (issued_at, context_hash)) STRICT, WITHOUT ROWID;
        INSERT INTO issued SELECT issue_time(context), sha256(context) FROM issue_record;
        DROP TABLE issue_record;
        ALTER TABLE issued RENAME TO issue_record;
        """,
        // Of one card, one issuing at a time.
        """
        CREATE TABLE card (
          id TEXT NOT NULL PRIMARY KEY, ordered INTEGER NOT NULL UNIQUE, holder_id TEXT NOT NULL REFERENCES principal (id), address TEXT NOT NULL,
          model INTEGER NOT NULL, serial TEXT NOT NULL, has_aes_slot INTEGER NOT NULL, algorithm INTEGER NOT NULL, until INTEGER, generation INTEGER NOT NULL,
          step INTEGER NOT NULL, standing INTEGER NOT NULL, since INTEGER NOT NULL, escrow_id BLOB NOT NULL, kvno INTEGER NOT NULL, reason TEXT,
          receipt TEXT, receipt_signature BLOB, revision INTEGER NOT NULL) STRICT, WITHOUT ROWID;
        CREATE INDEX card_holder ON card (holder_id);
        CREATE INDEX card_standing ON card (standing);
        CREATE INDEX card_serial ON card (model, serial);
        CREATE UNIQUE INDEX card_issuing ON card (model, serial) WHERE standing = 1;
        CREATE TABLE card_key (
          card_id TEXT NOT NULL REFERENCES card (id), use INTEGER NOT NULL, public_key BLOB NOT NULL, certificate TEXT,
          PRIMARY KEY (card_id, use)) STRICT, WITHOUT ROWID;
        ALTER TABLE principal ADD COLUMN card_hold TEXT;
        """,
        "ALTER TABLE card_key ADD COLUMN request BLOB;",
    ];

    /// <exception cref="InvalidDataException">The database belongs to a newer program.</exception>
    public static async Task MigrateAsync(SqliteConnection connection, CancellationToken cancellationToken)
    {
        connection.CreateFunction<byte[], long>("issue_time", c => TicketContext.Decode(c)?.IssuedAt.ToUnixTimeSeconds() ?? 0, isDeterministic: true);
        connection.CreateFunction<byte[], byte[]>("sha256", SHA256.HashData, isDeterministic: true);
        // Immediate: of two processes that start together, one waits and then finds everything done.
        await using var transaction = connection.BeginTransaction(deferred: false);
        var version = Convert.ToInt32(await ScalarAsync(connection, transaction, "PRAGMA user_version", cancellationToken), null);
        if (version > Steps.Length)
            throw new InvalidDataException($"The database has schema {version}; this program knows {Steps.Length} and is too old for it.");
        foreach (var step in Steps.Skip(version))
            await ScalarAsync(connection, transaction, step, cancellationToken);
        await ScalarAsync(connection, transaction, $"PRAGMA user_version = {Steps.Length}", cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    private static async Task<object?> ScalarAsync(
        SqliteConnection connection, SqliteTransaction transaction, string sql, CancellationToken cancellationToken)
    {
        await using var command = connection.CreateCommand();
        command.Transaction = transaction;
#pragma warning disable CA2100 // The text is one of the constants above.
        command.CommandText = sql;
#pragma warning restore CA2100
        return await command.ExecuteScalarAsync(cancellationToken);
    }
}
