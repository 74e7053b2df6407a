using System.Security.Cryptography;
using System.Text.Json;
using GatewaySecure.TestKit;

namespace GatewaySecure.KdcCore.Tests;

/// <summary>
/// tests/vectors/kdc-messages.json: every message of the exchange, made by a second implementation that was written from docs/formats/kdc-mail.md
/// alone, and octets that are no message.
/// </summary>
public sealed class MessageVectorTests
{
    private static readonly Vectors All = JsonSerializer.Deserialize<Vectors>(
        File.ReadAllText(Path.Combine(Repository.Root, "tests", "vectors", "kdc-messages.json")), JsonSerializerOptions.Web)!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static TheoryData<string> Good => [.. All.Good.Keys];

    public static TheoryData<string> Bad => [.. All.Bad.Keys];

    [Theory]
    [MemberData(nameof(Good))]
    public void Each_message_is_read_and_written_again_as_the_same_octets(string name)
    {
        var (type, octets) = (All.Good[name].Type, Convert.FromHexString(All.Good[name].Octets));
        Assert.Equal(octets, Again(type, octets));
    }

    [Theory]
    [MemberData(nameof(Bad))]
    public void What_is_no_message_is_not_read(string name) =>
        Assert.Null(Again(All.Bad[name].Type, Convert.FromHexString(All.Bad[name].Octets)));

    [Theory]
    [InlineData("challenge", "ticket-request", "issued")]
    [InlineData("challenge-enveloped", "ticket-request-of-a-card-without-slot", "issued-enveloped")]
    public async Task Challenge_request_and_reply_fit_together_under_the_holders_key(string challengeName, string requestName, string replyName)
    {
        using var card = new SoftwareCard(All.AlicesCard);
        using var realm = ECDsa.Create(SoftwareCard.Parameters(Convert.FromHexString(All.RealmKey)));
        var challenged = Assert.IsType<Answer.Challenged>(Answer.Decode(Octets(challengeName)));
        HolderKey alice = challenged.Envelope is null ? new SlotHolderKey(new SlotKey(All.AlicesKey)) : new AgreementHolderKey(card, realm);

        var kek = await alice.DeriveAsync(TicketPurpose.Challenge, challenged.Challenge.Encode(), challenged.Envelope, Cancel);
        var request = Request.Decode(Octets(requestName))!;
        Assert.Equal(HMACSHA256.HashData(kek!, request.Body.Encode()), request.Mac.ToArray());

        var issued = Assert.IsType<Answer.Issued>(Answer.Decode(Octets(replyName)));
        Assert.Equal(SHA256.HashData(Octets(requestName)), issued.Context.RequestHash.ToArray());
        var replyKek = await alice.DeriveAsync(TicketPurpose.Reply, issued.Context.Encode(), issued.Envelope, Cancel);
        var half = SealedReply.Decode(ReplySeal.Open(replyKek!, issued.Sealed.Span, Answer.EncodeTickets(issued.Tickets)))!;
        Assert.Equal(All.SessionKey, Convert.ToHexStringLower(half.SessionKey));
        Assert.Equal(All.Nonce, Convert.ToHexStringLower(Id128.Write(half.Nonce)));
        Assert.Equal(All.Commitment, Convert.ToHexStringLower(half.Commitment.Span));

        var ticket = Assert.Single(issued.Tickets);
        var opened = await TicketReader.UnwrapAsync(ticket.Context, ticket.WrappedKey, new SlotKey(All.BobsKey), Cancel);
        Assert.Equal(All.SessionKey, Convert.ToHexStringLower(Assert.IsType<TicketOpening.Opened>(opened).SessionKey));
    }

    private static byte[] Octets(string name) => Convert.FromHexString(All.Good[name].Octets);

    private static byte[]? Again(string type, byte[] octets) => type switch
    {
        "ChallengeRequest" => ChallengeRequest.Decode(octets)?.Encode(),
        "Request" => Request.Decode(octets)?.Encode(),
        "Answer" => Answer.Decode(octets)?.Encode(),
        "CardIdentity" => CardIdentity.Decode(octets)?.Encode(),
        _ => throw new InvalidDataException($"No message is called {type}."),
    };

    private sealed record Vector(string Type, string Octets);

    private sealed record Vectors(
        string AlicesKey,
        string AlicesCard,
        string RealmKey,
        string BobsKey,
        string SessionKey,
        string Nonce,
        string Commitment,
        Dictionary<string, Vector> Good,
        Dictionary<string, Vector> Bad);

    private sealed class SlotKey(string key) : IMasterKey
    {
        public ValueTask<byte[]> DecryptBlocksAsync(ReadOnlyMemory<byte> input, CancellationToken cancellationToken) =>
            new(TestCard.Decrypt(Convert.FromHexString(key), input.Span));
    }

    private sealed class SoftwareCard(string scalar) : IKeyAgreement, IDisposable
    {
        private readonly ECDiffieHellman _key = ECDiffieHellman.Create(
            new ECParameters { Curve = ECCurve.NamedCurves.nistP256, D = Convert.FromHexString(scalar) });

        public ReadOnlyMemory<byte> Point => P256.Point(_key.ExportParameters(false).Q);

        public static ECParameters Parameters(byte[] point) =>
            new() { Curve = ECCurve.NamedCurves.nistP256, Q = new ECPoint { X = point[1..33], Y = point[33..] } };

        public ValueTask<byte[]> AgreeAsync(ReadOnlyMemory<byte> ephemeral, CancellationToken cancellationToken)
        {
            using var other = P256.Key(ephemeral.Span);
            using var otherPublic = other.PublicKey;
            return new(_key.DeriveRawSecretAgreement(otherPublic));
        }

        public void Dispose() => _key.Dispose();
    }
}
