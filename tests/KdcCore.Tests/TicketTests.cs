using System.Security.Cryptography;
using System.Text;
using GatewaySecure.Addresses;

namespace GatewaySecure.KdcCore.Tests;

public sealed class TicketTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_changed_bit_of_a_context_keeps_the_ticket_shut()
    {
        using var realm = await TestRealm.CreateAsync();
        var ticket = (await realm.GrantAsync("bob")).Tickets.Single();
        for (var bit = 0; bit < ticket.Context.Length * 8; bit++)
        {
            var changed = ticket.Context.ToArray();
            changed[bit / 8] ^= (byte)(1 << bit % 8);
            Assert.IsNotType<TicketOpening.Opened>(await TicketReader.UnwrapAsync(changed, ticket.WrappedKey, realm.Cards["bob"], Cancel));
        }
    }

    [Fact]
    public async Task Each_recipient_opens_his_ticket_and_no_other()
    {
        using var realm = await TestRealm.CreateAsync();
        var grant = await realm.GrantAsync("bob", "carol");
        var (bobs, carols) = (grant.Tickets[0], grant.Tickets[1]);
        foreach (var (ticket, name) in new[] { (bobs, "bob"), (carols, "carol") })
        {
            var opened = Assert.IsType<TicketOpening.Opened>(
                await TicketReader.UnwrapAsync(ticket.Context, ticket.WrappedKey, realm.Cards[name], Cancel));
            Assert.Equal(grant.SessionKey.ToArray(), opened.SessionKey);
            Assert.Equal(TestRealm.At("alice"), opened.Context.Sender.Address);
        }
        Assert.IsType<TicketOpening.DoesNotOpen>(await TicketReader.UnwrapAsync(bobs.Context, bobs.WrappedKey, realm.Cards["carol"], Cancel));
    }

    [Fact]
    public async Task Swapped_halves_do_not_open()
    {
        using var realm = await TestRealm.CreateAsync();
        var first = (await realm.GrantAsync("bob")).Tickets.Single();
        var second = (await realm.GrantAsync("bob")).Tickets.Single();
        Assert.IsType<TicketOpening.DoesNotOpen>(await TicketReader.UnwrapAsync(first.Context, second.WrappedKey, realm.Cards["bob"], Cancel));
        Assert.IsType<TicketOpening.DoesNotOpen>(await TicketReader.UnwrapAsync(second.Context, first.WrappedKey, realm.Cards["bob"], Cancel));
    }

    [Fact]
    public async Task A_renewed_card_does_not_open_what_an_older_version_was_asked_for()
    {
        using var realm = await TestRealm.CreateAsync();
        var ticket = (await realm.GrantAsync("bob")).Tickets.Single();
        var renewed = await realm.IssueCardAsync("bob");
        Assert.IsType<TicketOpening.DoesNotOpen>(await TicketReader.UnwrapAsync(ticket.Context, ticket.WrappedKey, renewed, Cancel));
        var claimed = TicketContext.Decode(ticket.Context)! with { Kvno = 2 };
        Assert.IsType<TicketOpening.DoesNotOpen>(await TicketReader.UnwrapAsync(claimed.Encode(), ticket.WrappedKey, renewed, Cancel));
    }

    [Fact]
    public async Task A_malformed_ticket_is_refused_before_the_card_is_asked()
    {
        using var realm = await TestRealm.CreateAsync();
        var ticket = (await realm.GrantAsync("bob")).Tickets.Single();
        var card = realm.Cards["bob"];
        Assert.IsType<TicketOpening.Malformed>(await TicketReader.UnwrapAsync(ticket.Context[..^1], ticket.WrappedKey, card, Cancel));
        Assert.IsType<TicketOpening.Malformed>(await TicketReader.UnwrapAsync(ticket.Context, ticket.WrappedKey[..32], card, Cancel));
        Assert.Equal(0, card.Operations);
    }

    [Fact]
    public void A_context_survives_encoding_with_non_ascii_addresses()
    {
        var context = Example() with { Recipient = new TicketParty(new PrincipalId(2), MailAddress.Parse("jürgen@bücher.example")) };
        var decoded = TicketContext.Decode(context.Encode())!;
        Assert.Equal(context.Encode(), decoded.Encode());
        Assert.Equal(context.Recipient, decoded.Recipient);
    }

    [Fact]
    public void Fractions_of_a_second_do_not_enter_a_context()
    {
        var context = Example();
        Assert.Equal(context.Encode(), (context with { IssuedAt = context.IssuedAt.AddMilliseconds(999) }).Encode());
    }

    /// <summary>The worked example of docs/formats/kdc-mail.md is what the code does.</summary>
    [Fact]
    public async Task The_worked_example_in_the_format_document_is_true()
    {
        var key = Enumerable.Range(0, 32).Select(i => (byte)i).ToArray();
        var sessionKey = Enumerable.Range(0, 32).Select(i => (byte)(0xA0 + i)).ToArray();
        var der = Example().Encode();
        var input = TicketDerivation.Input(TicketPurpose.Ticket, der);
        var r = TestCard.Decrypt(key, input);
        var kek = TicketDerivation.Kek(TicketPurpose.Ticket, r);
        var wrapped = AesKeyWrap.Wrap(kek, sessionKey);
        var document = await File.ReadAllTextAsync(FormatDocument(), Cancel);
        foreach (var (name, octets) in new[]
            { ("K_B", key), ("K_S", sessionKey), ("DER", der), ("SHA-256", input), ("R", r), ("KEK", kek), ("wrappedKey", wrapped) })
            Assert.Contains(Lines(name, octets), document, StringComparison.Ordinal);
    }

    private static TicketContext Example() => new(
        Realm.Parse("example.org"),
        new TicketParty(PrincipalId.FromOctets(Enumerable.Repeat((byte)0x11, 16).ToArray()), MailAddress.Parse("alice@example.org")),
        new TicketParty(PrincipalId.FromOctets(Enumerable.Repeat((byte)0x22, 16).ToArray()), MailAddress.Parse("bob@example.org")),
        1,
        new DateTimeOffset(2027, 1, 2, 3, 4, 5, TimeSpan.Zero),
        new DateTimeOffset(2027, 1, 9, 3, 4, 5, TimeSpan.Zero),
        TicketId.FromOctets(Enumerable.Repeat((byte)0x33, 16).ToArray()),
        Evidence.Auth,
        SHA256.HashData("example"u8));

    private static string Lines(string name, byte[] octets)
    {
        var text = new StringBuilder();
        var hex = Convert.ToHexStringLower(octets);
        for (var i = 0; i < hex.Length; i += 64)
            text.Append("    ").Append((i == 0 ? name : "").PadRight(11)).Append(hex.AsSpan(i, Math.Min(64, hex.Length - i))).Append('\n');
        return text.ToString();
    }

    private static string FormatDocument()
    {
        for (var directory = new DirectoryInfo(AppContext.BaseDirectory); directory is not null; directory = directory.Parent)
        {
            var path = Path.Combine(directory.FullName, "docs", "formats", "kdc-mail.md");
            if (File.Exists(path))
                return path;
        }
        throw new FileNotFoundException("docs/formats/kdc-mail.md is not above the test's directory.");
    }
}
