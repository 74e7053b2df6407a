using System.Text;
using GatewaySecure.TestKit;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.SmartCard.Tests;

public sealed class CardFileTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Tries_survive_a_power_cycle_and_a_new_process()
    {
        using (var card = VirtualOpenPgpCard.Create(_directory["card"]))
            Assert.Equal(new PinResult.Wrong(2), TestCards.Client(card).VerifyPin(PinMode.User, "000000"));
        using var again = VirtualOpenPgpCard.Open(_directory["card"]);
        var client = TestCards.Client(again);
        Assert.Equal(2, client.TriesLeft(PinMode.User));
        Assert.Equal(new PinResult.Wrong(1), client.VerifyPin(PinMode.User, "000000"));
        again.Reset();
        client.SelectAgain();
        Assert.IsType<PinResult.Blocked>(client.VerifyPin(PinMode.User, "000000"));
        Assert.IsType<PinResult.Blocked>(client.VerifyPin(PinMode.User, VirtualOpenPgpCard.DefaultUserPin));
    }

    [Fact]
    public void A_try_is_counted_before_the_pin_is_compared()
    {
        if (OperatingSystem.IsWindows())
            return;
        using var card = VirtualOpenPgpCard.Create(_directory["card"]);
        var client = TestCards.Client(card);
        // The file can't be replaced: a card that compared first would say whether the PIN is right.
        Directory.CreateDirectory(_directory["card.new"]);
        Assert.ThrowsAny<Exception>(() => client.VerifyPin(PinMode.User, VirtualOpenPgpCard.DefaultUserPin));
        Assert.NotEqual(0x9000, client.Send(new Apdu(0, 0x20, 0, 0x82)).Status);
    }

    [Fact]
    public void A_card_is_in_one_program_at_a_time()
    {
        using var card = VirtualOpenPgpCard.Create(_directory["card"]);
        var error = Assert.Throws<IOException>(() => VirtualOpenPgpCard.Open(_directory["card"]));
        Assert.Contains("in use", error.Message, StringComparison.Ordinal);
        Assert.Throws<IOException>(() => VirtualOpenPgpCard.Create(_directory["card"]));
    }

    [Fact]
    public void The_file_is_private_says_that_it_is_for_trials_and_holds_no_pin()
    {
        using (var card = VirtualOpenPgpCard.Create(_directory["card"]))
        {
            var client = TestCards.Client(card);
            Assert.IsType<PinResult.Ok>(client.ChangePin(false, VirtualOpenPgpCard.DefaultUserPin, "secret-pin"));
        }
        var text = File.ReadAllText(_directory["card"]);
        Assert.Contains("FOR TRIALS", text, StringComparison.Ordinal);
        Assert.DoesNotContain("secret-pin", text, StringComparison.Ordinal);
        Assert.DoesNotContain(Convert.ToBase64String(Encoding.UTF8.GetBytes("secret-pin")), text, StringComparison.Ordinal);
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_directory["card"]));
    }

    [Fact]
    public void A_damaged_file_is_refused()
    {
        File.WriteAllText(_directory["card"], "{}");
        Assert.Throws<IOException>(() => VirtualOpenPgpCard.Open(_directory["card"]));
        File.WriteAllText(_directory["card"], "{\"Serial\":");
        Assert.Throws<IOException>(() => VirtualOpenPgpCard.Open(_directory["card"]));
    }
}
