using GatewaySecure.KdcCore;
using GatewaySecure.KdcServer.Commands;
using GatewaySecure.TestKit;

namespace GatewaySecure.KdcServer.Tests;

/// <summary>Users from lists: dry run, errors by line, the same input twice.</summary>
public sealed class ImportTests : IDisposable
{
    private readonly TempDirectory _folder = new();

    private static CancellationToken Cancel => RunningKdc.Cancel;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_list_is_tried_first_then_taken_and_the_second_time_changes_nothing()
    {
        await using var kdc = await RunningKdc.StartAsync();
        var list = Write("""
            name,address,expires
            "Example, Alice",alice@example.org a.example@example.org,
            Bob,bob@example.org,2099-01-01
            """);
        Assert.Equal(["created", "created"], await ImportAsync(kdc, list, dryRun: true));
        Assert.Empty(await kdc.Operator.ListAsync(Cancel));
        Assert.Equal(["created", "created"], await ImportAsync(kdc, list));
        var after = await kdc.Keys.Database.Audit.HeadAsync(Cancel);
        Assert.Equal(["unchanged", "unchanged"], await ImportAsync(kdc, list));
        Assert.Equal(after, await kdc.Keys.Database.Audit.HeadAsync(Cancel));
        var alice = Assert.Single(await kdc.Operator.ListAsync(Cancel), p => p.Name == "Example, Alice");
        Assert.Equal(2, alice.Addresses.Length);
    }

    [Fact]
    public async Task A_changed_line_changes_that_user_and_his_key_stays()
    {
        await using var kdc = await RunningKdc.StartAsync();
        await ImportAsync(kdc, Write("name,address\nBob,bob@example.org robert@example.org\n"));
        var before = Assert.Single(await kdc.Operator.ListAsync(Cancel));
        await kdc.IssueCardAsync(before.Id);
        Assert.Equal(["changed"], await ImportAsync(kdc, Write("name,address,active-from\nBob Example,bob@example.org b@example.org,2099-01-01\n")));
        var bob = Assert.Single(await kdc.Operator.ListAsync(Cancel));
        Assert.Equal((before.Id, "Bob Example", 1), (bob.Id, bob.Name, bob.Kvno));
        var now = DateTimeOffset.UtcNow;
        Assert.Equal(["bob@example.org", "b@example.org"], bob.Addresses.Where(a => a.IsHeldAt(now)).Select(a => a.Address.ToString()));
        Assert.Contains("not active before 2099", bob.Objection(now), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Each_line_that_can_t_be_taken_is_told_with_its_number_and_stops_no_other()
    {
        await using var kdc = await RunningKdc.StartAsync();
        await ImportAsync(kdc, Write("name,address\nAlice,alice@example.org\nBob,bob@example.org\n"));
        var (users, errors) = CsvUsers.Read(Write("""
            name,address,expires
            Carol,carol@example.org,soon
            ,nobody@example.org,
            Dave,not an address,
            Eve,eve@example.org
            "Two
            lines",two@example.org,
            Both,alice@example.org;bob@example.org,
            Grace,grace@example.org,
            Grace again,GRACE@example.org,
            """));
        Assert.Equal(["users.csv:2", "users.csv:3", "users.csv:4", "users.csv:5", "users.csv:6"], errors.Select(e => e.Place));
        var lines = await new PrincipalImport(kdc.Operator, dryRun: false).ApplyAsync(users, Cancel);
        Assert.Equal(
            [("users.csv:8", "error"), ("users.csv:9", "created"), ("users.csv:10", "error")], lines.Select(l => (l.Place, l.Outcome)));
        Assert.Contains("belong to Alice and Bob", lines[0].Detail, StringComparison.Ordinal);
        Assert.Contains("users.csv:9 already", lines[2].Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Users_come_out_of_a_directory_page_by_page_and_dates_set_here_stay()
    {
        await using var kdc = await RunningKdc.StartAsync();
        await using var directory = await PrivateSlapd.StartAsync(people: 1200);
        var source = new LdapSource(directory.Url, PrivateSlapd.People, "(&(objectClass=person)(mail=*))", PrivateSlapd.Admin, PrivateSlapd.Password, "cn", "mail");
        var (users, errors) = LdapUsers.Read(source);
        Assert.Equal(1200, users.Count);
        Assert.Contains("not a mail address", Assert.Single(errors).Detail, StringComparison.Ordinal);

        (users, _) = LdapUsers.Read(source with { Filter = "(uid=person1)" });
        var import = new PrincipalImport(kdc.Operator, dryRun: false) { KeepsDates = true };
        Assert.Equal("created", Assert.Single(await import.ApplyAsync(users, Cancel)).Outcome);
        var person = Assert.Single(await kdc.Operator.ListAsync(Cancel));
        Assert.Equal(("Person 1", 2), (person.Name, person.Addresses.Length));
        await kdc.Operator.SetValidityAsync(person.Id, null, DateTimeOffset.UtcNow.AddYears(1), Cancel);
        Assert.Equal("unchanged", Assert.Single(await import.ApplyAsync(users, Cancel)).Outcome);

        Assert.Throws<IOException>(() => LdapUsers.Read(source with { Password = "wrong" }));
        Assert.Throws<FormatException>(() => LdapUsers.Read(source with { Url = new Uri("ldap://dc.example.org") }));
    }

    [Theory]
    [InlineData("", "is empty")]
    [InlineData("name,mail\n", "must name the columns")]
    [InlineData("name,address,salary\n", "must name the columns")]
    [InlineData("name,address\n\"Bob,bob@example.org\n", "not closed")]
    public void A_file_that_is_no_list_is_refused_as_a_whole(string content, string reason) =>
        Assert.Contains(reason, Assert.Throws<InvalidDataException>(() => CsvUsers.Read(Write(content))).Message, StringComparison.Ordinal);

    private string Write(string content)
    {
        File.WriteAllText(_folder["users.csv"], content.ReplaceLineEndings("\n"));
        return _folder["users.csv"];
    }

    private static async Task<IEnumerable<string>> ImportAsync(RunningKdc kdc, string file, bool dryRun = false)
    {
        var (users, errors) = CsvUsers.Read(file);
        Assert.Empty(errors);
        return (await new PrincipalImport(kdc.Operator, dryRun).ApplyAsync(users, Cancel)).Select(l => l.Outcome);
    }
}
