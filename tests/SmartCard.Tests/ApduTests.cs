using System.Security.Cryptography;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.SmartCard.Tests;

public sealed class ApduTests
{
    [Theory]
    [InlineData(0, null, "00A40400")]
    [InlineData(0, 0, "00A4040000")]
    [InlineData(0, 256, "00A4040000")]
    [InlineData(0, 257, "00A40400000101")]
    [InlineData(0, 65536, "00A40400000000")]
    [InlineData(2, null, "00A40400020000")]
    [InlineData(2, 0, "00A4040002000000")]
    [InlineData(2, 300, "00A40400000002" + "0000" + "012C")]
    public void Lengths_are_written_in_the_shortest_form(int data, int? le, string expected) =>
        Assert.Equal(expected, Convert.ToHexString(new Apdu(0, 0xA4, 4, 0, new byte[data], le).Encode()));

    [Fact]
    public void What_one_side_writes_the_other_reads()
    {
        foreach (var length in new[] { 0, 1, 255, 256, 4000 })
        {
            foreach (var le in new int?[] { null, 1, 256, 65536 })
            {
                var read = CommandApdu.Parse(new Apdu(0, 1, 2, 3, RandomNumberGenerator.GetBytes(length), le).Encode());
                Assert.NotNull(read);
                Assert.Equal(length, read.Data.Length);
                Assert.Equal(le is 256 && read.Extended ? 256 : le ?? 0, read.Le);
            }
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("00A404")]
    [InlineData("00A4040005AA")]
    [InlineData("00A40400010203AA")]
    [InlineData("00A404000000")]
    [InlineData("00A4040000000500")]
    [InlineData("00A40400000000AA")]
    public void Contradicting_lengths_are_refused_with_6700(string apdu)
    {
        using var card = VirtualOpenPgpCard.CreateInMemory();
        Assert.Equal([0x67, 0x00], card.Process(Convert.FromHexString(apdu)));
    }

    [Fact]
    public void No_octets_make_the_card_throw()
    {
        using var card = VirtualOpenPgpCard.CreateInMemory();
        var random = new Random(3);
        byte[] instructions = [0x20, 0x24, 0x2A, 0x2C, 0x44, 0x47, 0x84, 0x88, 0xA4, 0xA5, 0xC0, 0xCA, 0xCC, 0xDA, 0xDB, 0xE6];
        for (var i = 0; i < 3000; i++)
        {
            if (i % 50 == 0)
                TestCards.Client(card).VerifyPin(PinMode.Admin, VirtualOpenPgpCard.DefaultAdminPin);
            var apdu = new byte[random.Next(0, 40)];
            random.NextBytes(apdu);
            if (apdu.Length > 4)
            {
                apdu[0] = (byte)(random.Next(4) == 0 ? 0x10 : 0);
                apdu[1] = instructions[random.Next(instructions.Length)];
                apdu[4] = (byte)(apdu.Length - 5);
            }
            // Not a key pair generation: those are tried elsewhere, and slow.
            if (apdu.Length > 2 && apdu[1] == 0x47)
                apdu[2] = 0x81;
            Assert.True(card.Process(apdu).Length >= 2);
        }
    }

    [Fact]
    public void Chained_and_extended_commands_mean_the_same()
    {
        using var card = VirtualOpenPgpCard.CreateInMemory();
        var client = TestCards.Client(card);
        client.VerifyPin(PinMode.Admin, VirtualOpenPgpCard.DefaultAdminPin);
        var value = RandomNumberGenerator.GetBytes(1000);
        Assert.Equal([0x90, 0x00], card.Process(new Apdu(0, 0xDA, 0x01, 0x02, value).Encode()));
        Assert.Equal(value, client.GetData(0x0102));
        Array.Reverse(value);
        client.PutData(0x0102, value);
        Assert.Equal([.. value, 0x90, 0x00], card.Process(new Apdu(0, 0xCA, 0x01, 0x02, default, 65536).Encode()));
    }

    [Fact]
    public void A_chain_is_not_continued_by_another_command()
    {
        using var card = VirtualOpenPgpCard.CreateInMemory();
        TestCards.Client(card);
        Assert.Equal([0x90, 0x00], card.Process([0x10, 0xDA, 1, 2, 1, 7]));
        Assert.Equal([0x68, 0x83], card.Process([0x00, 0xCA, 0, 0x4F, 0]));
        Assert.Equal(0x90, card.Process([0x00, 0xCA, 0, 0x4F, 0])[^2]);
    }

    [Fact]
    public void A_chain_has_a_limit()
    {
        using var card = VirtualOpenPgpCard.CreateInMemory();
        TestCards.Client(card);
        byte[] link = [0x10, 0xDA, 1, 2, 255, .. new byte[255]];
        var accepted = 0;
        while (card.Process(link) is [0x90, 0x00])
            Assert.True(++accepted < 100);
        Assert.Equal(32, accepted);
    }

    [Theory]
    [InlineData("81")]
    [InlineData("8105AA")]
    [InlineData("7F")]
    [InlineData("818001")]
    [InlineData("8184FFFFFFFF")]
    public void Broken_objects_are_not_parsed(string octets) =>
        Assert.False(Tlv.TryParse(Convert.FromHexString(octets), out _));

    [Fact]
    public void A_card_that_nests_without_end_is_not_followed()
    {
        byte[] octets = [0x86, 0x00];
        while (octets.Length < 60_000)
            octets = Tlv.Encode(0xA6, octets);
        Assert.Null(Tlv.Find(octets, 0x86));
    }

    [Fact]
    public void Objects_are_found_in_templates()
    {
        var inner = Tlv.Encode(0x86, new byte[200]);
        var whole = Tlv.Encode(0xA6, Tlv.Encode(0x7F49, inner));
        Assert.Equal(200, Tlv.Find(whole, 0x86)!.Value.Length);
        Assert.Null(Tlv.Find(whole, 0x87));
    }
}
