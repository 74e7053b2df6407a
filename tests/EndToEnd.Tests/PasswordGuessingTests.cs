using System.Globalization;
using System.Text;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>Strangers guess the password of one account from many addresses.</summary>
public sealed class PasswordGuessingTests
{
    private const string Busy = "454 4.7.0 Too many wrong passwords for this account, try again later";

    [Fact]
    public async Task Guesses_from_many_addresses_are_refused_and_the_user_still_logs_in_where_he_was_before()
    {
        await using var gateway = new GatewayProcess(new GatewaySetup
        {
            NextHopPort = Loopback.FreePort(), More = "limits: { wrong-password-rate-per-user: 2/h }\n",
        });
        await gateway.StartAsync();
        Assert.StartsWith("235", await LogInAsync(gateway, "127.0.0.2", GatewaySetup.Password), StringComparison.Ordinal);
        for (var i = 10; i < 12; i++)
            Assert.StartsWith("535", await LogInAsync(gateway, string.Create(CultureInfo.InvariantCulture, $"127.0.0.{i}"), "wrong"), StringComparison.Ordinal);
        Assert.Equal(Busy, await LogInAsync(gateway, "127.0.0.12", "wrong"));
        // Not even the right one is looked at, from an address that nobody knows.
        Assert.Equal(Busy, await LogInAsync(gateway, "127.0.0.13", GatewaySetup.Password));
        Assert.StartsWith("235", await LogInAsync(gateway, "127.0.0.2", GatewaySetup.Password), StringComparison.Ordinal);
        Assert.StartsWith("235", await LogInAsync(gateway, "127.0.0.1", GatewaySetup.Password), StringComparison.Ordinal);
        Assert.StartsWith("235", await LogInAsync(gateway, "127.0.0.13", GatewaySetup.Password, "bob"), StringComparison.Ordinal);
    }

    private static async Task<string> LogInAsync(GatewayProcess gateway, string from, string password, string user = "alice")
    {
        using var talker = await SmtpTalker.GreetAsync(gateway.SubmissionPort, from);
        await talker.SayAsync("STARTTLS");
        await talker.StartTlsAsync();
        await talker.SayAsync("EHLO client.test.invalid");
        return (await talker.SayAsync("AUTH PLAIN " + Convert.ToBase64String(Encoding.UTF8.GetBytes($"\0{user}\0{password}")))).TrimEnd();
    }
}
