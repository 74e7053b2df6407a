using GatewaySecure.Addresses;
using GatewaySecure.KdcCore;
using GatewaySecure.SmartCard;
using GatewaySecure.TestKit;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.CardEnrollment.Tests;

/// <summary><c>cardstation</c> as an operator runs it.</summary>
public sealed class StationTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private string Card => _directory["bob.card"];

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task A_card_is_made_issued_shown_listed_and_its_holder_revoked()
    {
        Assert.Equal(0, (await RunAsync("virtual-card", "create", Card)).ExitCode);
        await File.WriteAllTextAsync(_directory["pin"], "246802\n", Cancel);
        var issued = await IssueAsync("--pin-file", _directory["pin"], "--letter", _directory["letter"], "--name", "Bob Example");
        Assert.True(issued.ExitCode == 0, issued.All);
        Assert.DoesNotContain("246802", issued.All, StringComparison.Ordinal);
        Assert.Contains("for trials", issued.All, StringComparison.Ordinal);
        Assert.Contains("246802", await File.ReadAllTextAsync(_directory["letter"], Cancel), StringComparison.Ordinal);
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_directory["letter"]));

        var shown = await RunAsync("show", "--virtual-card", Card);
        Assert.Contains("Issued to bob@example.org", shown.All, StringComparison.Ordinal);
        Assert.Contains("key version 1", shown.All, StringComparison.Ordinal);
        Assert.Contains("Active", (await RunAsync("trial", "list", "--state", _directory.Path)).All, StringComparison.Ordinal);

        var revoked = await RunAsync("trial", "revoke", "--state", _directory.Path, "--address", "bob@example.org", "--reason", "lost card");
        Assert.True(revoked.ExitCode == 0, revoked.All);
        Assert.Contains("Revoked", (await RunAsync("trial", "list", "--state", _directory.Path)).All, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_renewed_card_has_the_next_key_version_and_the_same_principal()
    {
        Assert.Equal(0, (await RunAsync("virtual-card", "create", Card)).ExitCode);
        Assert.Equal(0, (await IssueAsync("--letter", _directory["letter"])).ExitCode);
        var first = Holder();
        // The administrator's PIN is no longer the default: without it nothing happens to the card.
        var refused = await IssueAsync();
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("2 tries are left", refused.All, StringComparison.Ordinal);
        Assert.Equal(first, Holder());
        var letter = await File.ReadAllLinesAsync(_directory["letter"], Cancel);
        await File.WriteAllTextAsync(_directory["admin"], letter[2].Split(' ', StringSplitOptions.RemoveEmptyEntries)[2] + "\n", Cancel);
        var renewed = await IssueAsync("--admin-pin-file", _directory["admin"]);
        Assert.True(renewed.ExitCode == 0, renewed.All);
        var second = Holder();
        Assert.Equal((first.Principal, first.Kvno + 1), (second.Principal, second.Kvno));
    }

    [Fact]
    public async Task A_piv_card_is_issued_and_renewed_and_keeps_its_old_key_for_old_mail()
    {
        Assert.Equal(0, (await RunAsync("virtual-card", "create", Card, "--kind", "piv")).ExitCode);
        await MakeAuthorityAsync();
        string[] with = ["--algorithm", "P256", "--ca-cert", _directory["ca.pem"], "--ca-key", _directory["ca.key"]];
        var issued = await IssueAsync([.. with, "--letter", _directory["letter"]]);
        Assert.True(issued.ExitCode == 0, issued.All);
        Assert.Contains("never leaves it", issued.All, StringComparison.Ordinal);
        var shown = await RunAsync("show", "--virtual-card", Card);
        Assert.Contains("Issued to bob@example.org", shown.All, StringComparison.Ordinal);

        var refused = await IssueAsync(with);
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("administrator's code is another one", refused.All, StringComparison.Ordinal);
        var letter = await File.ReadAllLinesAsync(_directory["letter"], Cancel);
        await File.WriteAllTextAsync(_directory["admin"], Word(letter[2]) + "\n", Cancel);
        await File.WriteAllTextAsync(_directory["code"], Word(letter[3]) + "\n", Cancel);
        var renewed = await IssueAsync([.. with, "--admin-pin-file", _directory["admin"], "--code-file", _directory["code"]]);
        Assert.True(renewed.ExitCode == 0, renewed.All);

        using var card = VirtualCards.Open(Card);
        var client = CardRecognition.Select(new LocalCardChannel(card.Atr, a => card.Process(a), card.Reset));
        using var session = client.BeginSession();
        var keys = client.ReadKeys();
        Assert.Equal("9D 9C 9A 82 95", string.Join(' ', keys.Select(k => k.Slot.Name)));
        Assert.NotEmpty(keys[3].Certificate.ToArray());
        Assert.Equal(2, EnrolledCard.Decode(client.ReadIdentity()!)!.Identity.Kvno);
        Assert.Equal(CardUse.Ticket, keys[4].Slot.Use);
    }

    [Fact]
    public async Task A_pin_that_the_card_can_not_have_is_refused_before_anything_is_changed()
    {
        Assert.Equal(0, (await RunAsync("virtual-card", "create", Card, "--kind", "piv")).ExitCode);
        var before = await File.ReadAllBytesAsync(Card, Cancel);
        await File.WriteAllTextAsync(_directory["pin"], "123456789\n", Cancel);
        var refused = await IssueAsync("--pin-file", _directory["pin"]);
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("6 to 8 characters", refused.All, StringComparison.Ordinal);
        Assert.Equal(before, await File.ReadAllBytesAsync(Card, Cancel));
    }

    [Fact]
    public async Task A_revoked_holder_gets_no_card_and_the_card_is_left_as_it_was()
    {
        await using (var station = await StationState.OpenAsync(_directory.Path, Cancel))
        {
            var administration = station.Administration(Realm.Parse("example.org"), TimeProvider.System);
            var bob = await administration.CreateAsync(PrincipalKind.User, "Bob", [MailAddress.Parse("bob@example.org")], [], null, Cancel);
            await administration.RevokeAsync(bob.Id, "left", Cancel);
        }
        Assert.Equal(0, (await RunAsync("virtual-card", "create", Card)).ExitCode);
        var before = await File.ReadAllBytesAsync(Card, Cancel);
        var refused = await IssueAsync();
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("revoked", refused.All, StringComparison.Ordinal);
        Assert.Equal(before, await File.ReadAllBytesAsync(Card, Cancel));
    }

    [Fact]
    public async Task Wrong_usage_is_status_2_and_a_missing_state_directory_status_1()
    {
        Assert.Equal(2, (await RunAsync("issue")).ExitCode);
        Assert.Equal(1, (await RunAsync("trial", "list", "--state", _directory["none"])).ExitCode);
        Assert.Equal(0, (await RunAsync("virtual-card", "create", Card)).ExitCode);
        Assert.Equal(1, (await RunAsync("virtual-card", "create", Card)).ExitCode);
        Assert.Equal(2, (await RunAsync("trial", "issue", "--state", _directory.Path, "--address", "not an address", "--virtual-card", Card)).ExitCode);
    }

    private static string Word(string line) => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[2];

    private async Task MakeAuthorityAsync() => (await Tool.RunAsync("openssl",
        ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=Trial CA", "-days", "30",
            "-keyout", _directory["ca.key"], "-out", _directory["ca.pem"]])).Checked();

    private CardIdentity Holder()
    {
        using var card = VirtualOpenPgpCard.Open(Card);
        var client = OpenPgpCard.Select(new LocalCardChannel(card.Atr, a => card.Process(a), card.Reset));
        return CardIdentity.Decode(client.GetData(0x0102)) ?? throw new InvalidOperationException("The card has no identity.");
    }

    private Task<ToolResult> IssueAsync(params string[] more) =>
        RunAsync(["trial", "issue", "--state", _directory.Path, "--address", "bob@example.org", "--virtual-card", Card, .. more]);

    private static Task<ToolResult> RunAsync(params string[] arguments) =>
        Tool.RunAsync("dotnet", [typeof(CardIssuing).Assembly.Location, .. arguments]);
}
