using System.Collections.Immutable;
using GatewaySecure.Addresses;
using GatewaySecure.KdcCore;
using GatewaySecure.TestKit;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;

namespace GatewaySecure.Storage.Tests;

public sealed class GatewayDatabaseTests : IAsyncLifetime
{
    private static readonly DateTimeOffset Start = new(2027, 3, 4, 5, 6, 7, TimeSpan.Zero);

    private readonly TempDirectory _directory = new();
    private GatewayDatabase _database = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private string File => _directory["state.db"];

    public async ValueTask InitializeAsync() => _database = await GatewayDatabase.OpenAsync(File, Cancel);

    public async ValueTask DisposeAsync()
    {
        await _database.DisposeAsync();
        _directory.Dispose();
    }

    [Fact]
    public async Task Everything_is_there_after_a_restart()
    {
        var bob = User("bob", "Bob@example.org") with { ExpiresAt = Start.AddYears(1), Status = PrincipalStatus.Suspended, StatusReason = "on leave" };
        var gateway = new Principal(
            PrincipalId.New(), PrincipalKind.Gateway, "gateway", PrincipalStatus.Active, null, Start, null, 0, [],
            [DomainName.Parse("example.org"), DomainName.Parse("bücher.example")], 0)
        {
            Certificates = [new string('A', 64), new string('B', 64)],
            ActiveFrom = Start,
        };
        var key = new WrappedMasterKey(new MasterKeyName(bob.Id, 1), new byte[] { 1, 2, 3 });
        var record = IssueRecord.Of(Start, [4, 5, 6]);
        await SaveAsync(bob with { Kvno = 1 }, key);
        await SaveAsync(gateway);
        await _database.Audit.AppendAsync(new AuditEntry(Event("issue"), [record]), Cancel);
        await ReopenAsync();

        var stored = await _database.Principals.FindAsync(bob.Id, Cancel);
        Assert.Equal(bob with { Kvno = 1, Revision = 1, Addresses = [], SenderDomains = [], Certificates = [] }, stored! with { Addresses = [], SenderDomains = [], Certificates = [] });
        Assert.Equal(bob.Addresses, stored.Addresses);
        Assert.Equal("Bob@example.org", stored.Addresses[0].Address.ToString());
        var storedGateway = await _database.Principals.FindAsync(gateway.Id, Cancel);
        Assert.Equal(gateway.SenderDomains, storedGateway!.SenderDomains);
        Assert.Equal(gateway.Certificates, storedGateway.Certificates);
        Assert.Equal(Start, storedGateway.ActiveFrom);
        Assert.Equal(gateway.Id, (await _database.Principals.FindByCertificateAsync(new string('B', 64), PrincipalKind.Gateway, Cancel))?.Id);
        Assert.Null(await _database.Principals.FindByCertificateAsync(new string('C', 64), PrincipalKind.Gateway, Cancel));
        Assert.Equal(key.Wrapped.ToArray(), (await _database.MasterKeys.FindAsync(key.Name, Cancel))!.Wrapped.ToArray());
        Assert.True(await _database.IssueRecords.HoldsAsync(IssueRecord.Of(Start, [4, 5, 6]), Cancel));
        Assert.False(await _database.IssueRecords.HoldsAsync(IssueRecord.Of(Start, [4, 5, 7]), Cancel));
        Assert.False(await _database.IssueRecords.HoldsAsync(IssueRecord.Of(Start.AddSeconds(1), [4, 5, 6]), Cancel));
        Assert.Null(await _database.Audit.VerifyAsync(cancellationToken: Cancel));
        Assert.Equal(2, (await _database.Principals.ListAsync(Cancel)).Length);
    }

    [Fact]
    public async Task A_full_disk_is_said_as_one_and_overcome()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess, "Mounting a small disk needs root on Linux.");
        using var folder = new TempDirectory();
        var mounted = await Tool.RunAsync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder.Path]);
        Assert.SkipUnless(mounted.ExitCode == 0, "This container may not mount a disk.");
        try
        {
            await using var database = await GatewayDatabase.OpenAsync(folder["state.db"], Cancel);
            await database.Audit.AppendAsync(new AuditEntry(Event("before")), Cancel);
            var filler = folder["filler"];
            await Assert.ThrowsAsync<IOException>(() => System.IO.File.WriteAllBytesAsync(filler, new byte[1 << 20], Cancel));
            await Assert.ThrowsAsync<IOException>(() => database.Audit.AppendAsync(new AuditEntry(Event(new string('x', 10_000))), Cancel).AsTask());
            System.IO.File.Delete(filler);
            await database.Audit.AppendAsync(new AuditEntry(Event("after")), Cancel);
            Assert.Equal(["before", "after"], (await database.Audit.ReadAsync(1, 10, Cancel)).Select(e => e.Action));
            Assert.Null(await database.Audit.VerifyAsync(cancellationToken: Cancel));
        }
        finally
        {
            await Tool.RunAsync("umount", [folder.Path]);
        }
    }

    [Fact]
    public async Task An_address_is_found_in_any_spelling_while_it_is_held()
    {
        await SaveAsync(User("bob", "Bob@bücher.example"));
        Assert.NotNull(await FindAsync("bOB@xn--bcher-kva.example", Start));
        Assert.Null(await FindAsync("bob@bücher.example", Start.AddSeconds(-1)));
        Assert.Null(await FindAsync("bob@example.org", Start));
    }

    [Fact]
    public async Task An_address_passes_to_another_principal_only_after_the_first_has_let_go()
    {
        var bob = User("bob", "bob@example.org");
        await SaveAsync(bob);
        var second = User("second", "BOB@example.org");
        await Assert.ThrowsAsync<StaleRecordException>(() => SaveAsync(second));
        var left = Start.AddDays(1);
        await SaveAsync(bob with { Revision = 1, Addresses = [bob.Addresses[0] with { Until = left }] });
        await SaveAsync(second with { Addresses = [second.Addresses[0] with { From = left }] });
        Assert.Equal(bob.Id, (await FindAsync("bob@example.org", left.AddSeconds(-1)))!.Id);
        Assert.Equal(second.Id, (await FindAsync("bob@example.org", left))!.Id);
    }

    [Fact]
    public async Task A_change_based_on_an_outdated_record_writes_nothing()
    {
        var bob = User("bob", "bob@example.org");
        await SaveAsync(bob);
        await SaveAsync(bob with { Revision = 1, Status = PrincipalStatus.Revoked });
        var head = await _database.Audit.HeadAsync(Cancel);
        await Assert.ThrowsAsync<StaleRecordException>(() => SaveAsync(bob with { Revision = 1, Name = "robert" }));
        Assert.Equal(head, await _database.Audit.HeadAsync(Cancel));
        Assert.Equal("bob", (await _database.Principals.FindAsync(bob.Id, Cancel))!.Name);
    }

    [Fact]
    public async Task What_another_process_changed_is_read_at_once()
    {
        var bob = User("bob", "bob@example.org");
        Assert.Null(await FindAsync("bob@example.org", Start));
        await using (var station = await GatewayDatabase.OpenAsync(File, Cancel))
        {
            await station.Audit.AppendAsync(new AuditEntry(Event("principal.create"), [], bob), Cancel);
            Assert.NotNull(await FindAsync("bob@example.org", Start));
            await station.Audit.AppendAsync(
                new AuditEntry(Event("key.renew"), [], bob with { Revision = 1, Kvno = 1 }, new WrappedMasterKey(new(bob.Id, 1), new byte[] { 1 })), Cancel);
            Assert.Equal(1, (await FindAsync("bob@example.org", Start))!.Kvno);
            Assert.NotNull(await _database.MasterKeys.FindAsync(new MasterKeyName(bob.Id, 1), Cancel));
        }
        Assert.NotNull(await _database.Principals.FindAsync(bob.Id, Cancel));
    }

    [Fact]
    public async Task Tickets_that_were_issued_before_the_table_kept_hashes_are_still_known()
    {
        var party = new TicketParty(PrincipalId.New(), MailAddress.Parse("bob@example.org"));
        var context = new TicketContext(Realm.Parse("example.org"), party, party, 1, Start, Start.AddDays(7), TicketId.New(), Evidence.Auth, new byte[32]).Encode();
        await _database.DisposeAsync();
        await using (var old = new SqliteConnection($"Data Source={File}"))
        {
            await old.OpenAsync(Cancel);
            await using var command = old.CreateCommand();
            command.CommandText = """
                DROP TABLE card_key;
                DROP TABLE card;
                ALTER TABLE principal DROP COLUMN card_hold;
                DROP TABLE issue_record;
                CREATE TABLE issue_record (ticket_id BLOB NOT NULL PRIMARY KEY, context BLOB NOT NULL) STRICT, WITHOUT ROWID;
                INSERT INTO issue_record VALUES (zeroblob(16), $context);
                PRAGMA user_version = 6;
                """;
            command.Parameters.AddWithValue("$context", context);
            await command.ExecuteNonQueryAsync(Cancel);
        }
        _database = await GatewayDatabase.OpenAsync(File, Cancel);
        Assert.True(await _database.IssueRecords.HoldsAsync(IssueRecord.Of(Start, context), Cancel));
    }

    [Fact]
    public async Task Two_processes_and_many_callers_make_one_unbroken_chain()
    {
        await using var station = await GatewayDatabase.OpenAsync(File, Cancel);
        await Task.WhenAll(Enumerable.Range(0, 200).Select(i => Task.Run(async () =>
            await (i % 2 == 0 ? _database : station).Audit.AppendAsync(
                new AuditEntry(Event($"n{i}"), [IssueRecord.Of(Start, [(byte)i])]), Cancel))));
        Assert.Null(await _database.Audit.VerifyAsync(cancellationToken: Cancel));
        Assert.Equal(200, (await _database.Audit.HeadAsync(Cancel)).Sequence);
        Assert.Equal(200, (await station.Audit.ReadAsync(1, 1000, Cancel)).Select(e => e.Action).Distinct().Count());
    }

    [Fact]
    public async Task One_bad_entry_in_a_group_fails_only_its_own_caller()
    {
        var stale = User("stale", "stale@example.org") with { Revision = 7 };
        var tasks = Enumerable.Range(0, 50).Select(i => i == 25
            ? SaveAsync(stale)
            : _database.Audit.AppendAsync(new AuditEntry(Event($"n{i}")), Cancel).AsTask()).ToArray();
        await Assert.ThrowsAsync<StaleRecordException>(() => tasks[25]);
        await Task.WhenAll(tasks.Where((_, i) => i != 25));
        Assert.Null(await _database.Audit.VerifyAsync(cancellationToken: Cancel));
        Assert.Equal(49, (await _database.Audit.HeadAsync(Cancel)).Sequence);
    }

    [Fact]
    public async Task Every_tampering_with_the_chain_is_found()
    {
        for (var i = 0; i < 5; i++)
            await _database.Audit.AppendAsync(new AuditEntry(Event($"n{i}")), Cancel);
        var head = await _database.Audit.HeadAsync(Cancel);
        Assert.Null(await _database.Audit.VerifyAsync(head, Cancel));
        var other = Convert.ToHexString(Event("other").Encode());
        foreach (var (sql, finding) in new[]
        {
            ($"UPDATE audit SET event = x'{other}' WHERE sequence = 3", "Line 3 was changed"),
            ("DELETE FROM audit WHERE sequence = 3", "Line 3 is missing"),
            ("DELETE FROM audit WHERE sequence = 1", "Line 1 is missing"),
            ("DELETE FROM audit WHERE sequence = 5", "The chain ends at line 4; line 5 was noted"),
            ("UPDATE audit SET sequence = -sequence WHERE sequence IN (2, 3); UPDATE audit SET sequence = 5 + sequence WHERE sequence < 0", "Line 2 was changed, or lines were moved"),
            ($"UPDATE audit SET event = x'{other}', hash = x'{Convert.ToHexString(LinkAfter4(other))}' WHERE sequence = 5", "Line 5 is not the one that was noted"),
        })
        {
            await using var connection = new SqliteConnection($"Data Source={File};Pooling=False");
            await connection.OpenAsync(Cancel);
            await ExecuteAsync(connection, "CREATE TEMP TABLE kept AS SELECT * FROM audit");
            await ExecuteAsync(connection, sql);
            Assert.StartsWith(finding, await _database.Audit.VerifyAsync(head, Cancel));
            await ExecuteAsync(connection, "DELETE FROM audit; INSERT INTO audit SELECT * FROM kept");
            Assert.Null(await _database.Audit.VerifyAsync(head, Cancel));
        }

        byte[] LinkAfter4(string eventHex)
        {
            var hash = new byte[AuditEvent.HashSize];
            for (var i = 0; i < 4; i++)
                hash = AuditEvent.Link(hash, i + 1, Event($"n{i}").Encode());
            return AuditEvent.Link(hash, 5, Convert.FromHexString(eventHex));
        }
    }

    [Fact]
    public async Task A_database_of_a_newer_program_is_refused()
    {
        var path = _directory["newer.db"];
        await using (await GatewayDatabase.OpenAsync(path, Cancel))
        {
        }
        await using (var connection = new SqliteConnection($"Data Source={path};Pooling=False"))
        {
            await connection.OpenAsync(Cancel);
            await ExecuteAsync(connection, "PRAGMA user_version = 99");
        }
        await Assert.ThrowsAsync<InvalidDataException>(() => GatewayDatabase.OpenAsync(path, Cancel));
    }

    [Fact]
    public async Task The_files_are_for_their_owner_alone()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("Windows has no Unix modes.");
            return;
        }
        await SaveAsync(User("bob", "bob@example.org"));
        var files = Directory.GetFiles(_directory.Path, "state.db*");
        Assert.Contains(File + "-wal", files);
        foreach (var file in files)
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, System.IO.File.GetUnixFileMode(file));
    }

    [Fact]
    public async Task Each_connection_flushes_its_commits()
    {
        await using var db = new GatewayDbContext(_database.Options);
        await db.Database.OpenConnectionAsync(Cancel);
        await using var command = db.Database.GetDbConnection().CreateCommand();
        command.CommandText = "PRAGMA synchronous";
        Assert.Equal(2L, await command.ExecuteScalarAsync(Cancel));
        command.CommandText = "PRAGMA journal_mode";
        Assert.Equal("wal", await command.ExecuteScalarAsync(Cancel));
    }

    private static Principal User(string name, string address) => new(
        PrincipalId.New(), PrincipalKind.User, name, PrincipalStatus.Active, null, Start, null, 0,
        ImmutableArray.Create(new HeldAddress(MailAddress.Parse(address), Start, null)), [], 0);

    private static AuditEvent Event(string action) => new(Start, action, "actor", "subject", "detail");

    private static async Task ExecuteAsync(SqliteConnection connection, string sql)
    {
        await using var command = connection.CreateCommand();
#pragma warning disable CA2100 // Text of this test.
        command.CommandText = sql;
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync(Cancel);
    }

    private Task SaveAsync(Principal principal, WrappedMasterKey? key = null) =>
        _database.Audit.AppendAsync(new AuditEntry(Event("principal"), [], principal, key), Cancel).AsTask();

    private ValueTask<Principal?> FindAsync(string address, DateTimeOffset at) =>
        _database.Principals.FindByAddressAsync(MailAddress.Parse(address), at, Cancel);

    private async Task ReopenAsync()
    {
        await _database.DisposeAsync();
        _database = await GatewayDatabase.OpenAsync(File, Cancel);
    }
}
