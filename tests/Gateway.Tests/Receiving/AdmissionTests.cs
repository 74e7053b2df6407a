using System.Net;
using GatewaySecure.Gateway.Receiving;
using Microsoft.Extensions.Time.Testing;

namespace GatewaySecure.Gateway.Tests.Receiving;

public sealed class AdmissionTests
{
    private static readonly IPAddress Address = IPAddress.Parse("192.0.2.1");
    private static readonly Rate Two = new(2, TimeSpan.FromMinutes(1));

    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void Connections_that_come_too_fast_get_421()
    {
        var bench = new TrafficBench(_time, new() { [Traffic.Connection] = Two });
        Assert.Null(bench.Admit().Enter(Address));
        Assert.Null(bench.Admit().Enter(Address));
        Assert.Equal("421 4.7.0 Too many new connections from your address, try again later", bench.Admit().Enter(Address)!.ToString());
        _time.Advance(TimeSpan.FromSeconds(30));
        Assert.Null(bench.Admit().Enter(Address));
    }

    [Fact]
    public void One_connection_is_counted_once_for_each_address()
    {
        var bench = new TrafficBench(_time, new() { [Traffic.Connection] = Two });
        var admission = bench.Admit();
        for (var i = 0; i < 5; i++)
            Assert.Null(admission.Enter(Address));
        Assert.Null(bench.Admit().Enter(Address));
        Assert.NotNull(bench.Admit().Enter(Address));
    }

    [Fact]
    public void Relay_networks_have_free_rates_and_exempt_peers_are_not_counted_at_all()
    {
        var bench = new TrafficBench(
            _time,
            new() { [Traffic.Connection] = Two, [Traffic.Message] = Two, [Traffic.Recipient] = Two, [Traffic.Error] = Two },
            new() { [Traffic.WrongPassword] = Two },
            null,
            IPNetwork.Parse("198.51.100.0/24"));
        foreach (var (address, relay) in new[] { ("192.0.2.1", "192.0.2.0/24"), ("198.51.100.1", null) })
        {
            for (var i = 0; i < 5; i++)
            {
                var admission = bench.Admit(relay);
                Assert.Null(admission.Enter(IPAddress.Parse(address)));
                admission.BeginMessage();
                Assert.Null(admission.TakeRecipient(isOurPostmaster: false));
                Assert.Null(admission.TakeError());
                Assert.Equal(relay is null || i < 2, admission.TakePassword("alice") is null);
            }
        }
    }

    [Fact]
    public void Too_many_messages_are_told_at_their_recipients_and_the_postmaster_is_reached_by_a_few()
    {
        var bench = new TrafficBench(_time, new() { [Traffic.Message] = Two });
        var admission = bench.Admit();
        Assert.Null(admission.Enter(Address));
        for (var i = 0; i < 2; i++)
        {
            admission.BeginMessage();
            Assert.Null(admission.TakeRecipient(isOurPostmaster: false));
        }
        admission.BeginMessage();
        Assert.Equal("450 4.7.1 Too many messages, try again later", admission.TakeRecipient(isOurPostmaster: false)!.ToString());
        for (var i = 0; i < 10; i++)
            Assert.Null(admission.TakeRecipient(isOurPostmaster: true));
        Assert.NotNull(admission.TakeRecipient(isOurPostmaster: true));
        _time.Advance(TimeSpan.FromMinutes(1));
        admission.BeginMessage();
        Assert.Null(admission.TakeRecipient(isOurPostmaster: false));
    }

    [Fact]
    public void Recipients_above_the_rate_wait()
    {
        var bench = new TrafficBench(_time, new() { [Traffic.Recipient] = Two });
        var admission = bench.Admit();
        Assert.Null(admission.Enter(Address));
        admission.BeginMessage();
        Assert.Null(admission.TakeRecipient(false));
        Assert.Null(admission.TakeRecipient(false));
        Assert.Equal("450 4.7.1 Too many recipients from your address, try again later", admission.TakeRecipient(false)!.ToString());
    }

    [Fact]
    public void Errors_over_connections_close_this_one_and_refuse_the_next()
    {
        var bench = new TrafficBench(_time, new() { [Traffic.Error] = Two });
        foreach (var _ in Enumerable.Range(0, 2))
        {
            var admission = bench.Admit();
            Assert.Null(admission.Enter(Address));
            Assert.Null(admission.TakeError());
        }
        Assert.Equal(421, bench.Admit().Enter(Address)!.Code);
        _time.Advance(TimeSpan.FromMinutes(1));
        var later = bench.Admit();
        Assert.Null(later.Enter(Address));
        Assert.Null(later.TakeError());
        Assert.Null(later.TakeError());
        Assert.Equal("421 4.7.0 Too many errors from your address, try again later", later.TakeError()!.ToString());
    }

    [Fact]
    public void Wrong_passwords_are_answered_later_and_later_and_then_not_looked_at()
    {
        var bench = new TrafficBench(_time, passwords: new() { [Traffic.WrongPassword] = new Rate(6, TimeSpan.FromHours(1)) });
        var delays = new List<double>();
        for (var i = 0; i < 6; i++)
        {
            // Over connections.
            var admission = bench.Admit("192.0.2.0/24");
            Assert.Null(admission.Enter(Address));
            Assert.Null(admission.TakePassword("alice"));
            delays.Add(admission.PasswordDelay.TotalSeconds);
        }
        Assert.Equal([1, 2, 4, 8, 8, 8], delays);
        var blocked = bench.Admit();
        Assert.Null(blocked.Enter(Address));
        Assert.Equal("454 4.7.0 Too many wrong passwords from your address, try again later", blocked.TakePassword("alice")!.ToString());
        _time.Advance(TimeSpan.FromMinutes(10));
        Assert.Null(blocked.TakePassword("alice"));
        blocked.PasswordWasRight("alice");
        Assert.Null(blocked.TakePassword("alice"));
        Assert.NotNull(blocked.TakePassword("alice"));
    }

    [Fact]
    public void Wrong_passwords_for_one_account_from_everywhere_are_refused_and_come_back()
    {
        var bench = new TrafficBench(_time, perUser: new Rate(6, TimeSpan.FromHours(1)));
        for (var i = 0; i < 6; i++)
            Assert.Null(From($"198.51.100.{i}").TakePassword("alice"));
        Assert.Equal("454 4.7.0 Too many wrong passwords for this account, try again later", From("198.51.100.9").TakePassword("alice")!.ToString());
        // Nobody else is touched, and a name without an account is no other.
        Assert.Null(From("198.51.100.9").TakePassword("bob"));
        for (var i = 0; i < 6; i++)
            Assert.Null(From($"198.51.100.{i}").TakePassword("nobody"));
        Assert.NotNull(From("198.51.100.9").TakePassword("nobody"));
        _time.Advance(TimeSpan.FromMinutes(10));
        Assert.Null(From("198.51.100.9").TakePassword("alice"));

        Admission From(string address) => Entered(bench, address);
    }

    [Fact]
    public void Strangers_who_never_stop_lock_nobody_out_where_he_was_before_or_in_our_networks()
    {
        var bench = new TrafficBench(
            _time, passwords: new() { [Traffic.WrongPassword] = new Rate(4, TimeSpan.FromHours(1)) }, perUser: new Rate(6, TimeSpan.FromHours(1)));
        var home = Entered(bench, "192.0.2.1");
        Assert.Null(home.TakePassword("alice"));
        home.PasswordWasRight("alice");
        for (var round = 0; round < 24; round++)
        {
            for (var i = 0; i < 20; i++)
                Entered(bench, $"198.51.100.{i}").TakePassword("alice");
            Assert.NotNull(Entered(bench, "198.51.100.60").TakePassword("alice"));
            home = Entered(bench, "192.0.2.1");
            Assert.Null(home.TakePassword("alice"));
            home.PasswordWasRight("alice");
            var office = Entered(bench, "203.0.113.1", "203.0.113.0/24");
            Assert.Null(office.TakePassword("alice"));
            office.PasswordWasRight("alice");
            _time.Advance(TimeSpan.FromMinutes(9));
        }
        // Where he was before, others guess no more than from any address.
        for (var i = 0; i < 4; i++)
            Assert.Null(Entered(bench, "192.0.2.1").TakePassword("alice"));
        Assert.NotNull(Entered(bench, "192.0.2.1").TakePassword("alice"));
    }

    [Fact]
    public void A_right_password_that_did_not_count_gives_strangers_no_more_guesses()
    {
        var bench = new TrafficBench(_time, perUser: Two);
        var home = Entered(bench, "192.0.2.1");
        for (var i = 0; i < 10; i++)
        {
            Assert.Null(home.TakePassword("alice"));
            home.PasswordWasRight("alice");
        }
        Assert.Null(Entered(bench, "198.51.100.1").TakePassword("alice"));
        Assert.Null(Entered(bench, "198.51.100.2").TakePassword("alice"));
        Assert.Null(home.TakePassword("alice"));
        home.PasswordWasRight("alice");
        Assert.NotNull(Entered(bench, "198.51.100.3").TakePassword("alice"));
    }

    [Fact]
    public void A_refusal_for_the_account_costs_the_address_nothing()
    {
        var bench = new TrafficBench(
            _time, passwords: new() { [Traffic.WrongPassword] = Two }, perUser: new Rate(1, TimeSpan.FromHours(1)));
        Assert.Null(Entered(bench, "198.51.100.1").TakePassword("alice"));
        for (var i = 0; i < 5; i++)
            Assert.Contains("for this account", Entered(bench, "192.0.2.1").TakePassword("alice")!.ToString(), StringComparison.Ordinal);
        Assert.Null(Entered(bench, "192.0.2.1").TakePassword("bob"));
    }

    [Fact]
    public void Refusals_fill_no_disk()
    {
        var bench = new TrafficBench(_time);
        for (var i = 0; i < 1000; i++)
            bench.Refusals.Add(Address, "Too many connections from your address");
        Assert.Equal("Refused, from 192.0.2.1: Too many connections from your address", Assert.Single(bench.Log.Lines));
        _time.Advance(TimeSpan.FromMinutes(1));
        bench.Refusals.Add(Address, "Too many connections from your address");
        Assert.EndsWith("(999 refusals before it were not logged)", bench.Log.Lines[1], StringComparison.Ordinal);

        for (var i = 0; i < 5000; i++)
            bench.Refusals.Add(new IPAddress([10, 0, (byte)(i >> 8), (byte)i]), "Too many connections from your address");
        Assert.InRange(bench.Log.Lines.Count, 50, 103);
    }

    private static Admission Entered(TrafficBench bench, string address, string? relay = null)
    {
        var admission = bench.Admit(relay);
        Assert.Null(admission.Enter(IPAddress.Parse(address)));
        return admission;
    }
}
