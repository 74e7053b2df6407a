using System.Collections.Immutable;
using System.Security.Cryptography;
using GatewaySecure.Addresses;
using GatewaySecure.KdcCore;

namespace GatewaySecure.MailProtection.Tests;

/// <summary>Issues real tickets under real master keys, without the exchange around it.</summary>
internal sealed class FakeKdc : ITicketSource
{
    public static readonly Realm Realm = Realm.Parse("example.org");
    private readonly Dictionary<MailAddress, Principal> _principals = [];

    public List<TicketOrder> Orders { get; } = [];

    public List<TicketGrant> StandingChecks { get; } = [];

    public string? Standing { get; set; }

    public TicketOutcome? Answer { get; set; }

    public DateTimeOffset Now { get; set; } = Pki.Now;

    /// <summary>Changes what a ticket says, for forgeries.</summary>
    public Func<TicketContext, TicketContext> Twist { get; set; } = context => context;

    public Principal this[string address]
    {
        get
        {
            var key = MailAddress.Parse(address);
            if (!_principals.TryGetValue(key, out var principal))
                _principals[key] = principal = new Principal(PrincipalId.New(), 1, new SoftwareKey());
            return principal;
        }
        set => _principals[MailAddress.Parse(address)] = value;
    }

    public OpeningKeys KeysOf(string address) =>
        new() { Card = new CardIdentity(Realm, this[address].Id, this[address].Kvno, this[address].Key) };

    public async ValueTask<TicketOutcome> RequestAsync(TicketOrder order, CancellationToken cancellationToken)
    {
        Orders.Add(order);
        if (Answer is not null)
            return Answer;
        var sessionKey = RandomNumberGenerator.GetBytes(32);
        var tickets = ImmutableArray.CreateBuilder<IssuedTicket>();
        foreach (var address in order.Recipients)
        {
            var recipient = this[address.ToString()];
            var context = Twist(new TicketContext(
                Realm,
                new TicketParty(this[order.Sender.ToString()].Id, order.Sender),
                new TicketParty(recipient.Id, address),
                recipient.Kvno,
                Now,
                Now.AddDays(1),
                TicketId.New(),
                order.Evidence,
                order.Commitment));
            var der = context.Encode();
            var kek = await TicketDerivation.DeriveAsync(TicketPurpose.Ticket, der, recipient.Key, cancellationToken);
            tickets.Add(new IssuedTicket(address, context.Id.ToOctets(), der, AesKeyWrap.Wrap(kek, sessionKey)));
        }
        return new TicketOutcome.Granted(new TicketGrant(sessionKey, Now, tickets.ToImmutable()));
    }

    public ValueTask<string?> CheckStandingAsync(TicketGrant grant, CancellationToken cancellationToken)
    {
        StandingChecks.Add(grant);
        return ValueTask.FromResult(Standing);
    }
}

internal sealed record Principal(PrincipalId Id, int Kvno, IMasterKey Key);

/// <summary>K_X in memory.</summary>
internal sealed class SoftwareKey(byte[]? key = null) : IMasterKey
{
    private readonly byte[] _key = key ?? RandomNumberGenerator.GetBytes(32);

    /// <summary>For programs of others, which take it on their command line.</summary>
    public string Hex => Convert.ToHexString(_key);

    public int Uses { get; private set; }

    public ValueTask<byte[]> DecryptBlocksAsync(ReadOnlyMemory<byte> input, CancellationToken cancellationToken)
    {
        Uses++;
        using var aes = Aes.Create();
        aes.Key = _key;
        return ValueTask.FromResult(aes.DecryptCbc(input.Span, new byte[16], PaddingMode.None));
    }
}
