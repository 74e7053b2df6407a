using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using GatewaySecure.Addresses;
using GatewaySecure.CardEnrollment.Issuing;
using GatewaySecure.Cards;
using GatewaySecure.HsmAdapter;
using GatewaySecure.KdcCore;
using GatewaySecure.SmartCard;
using GatewaySecure.TestKit;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.CardEnrollment.Tests;

/// <summary>Issuing is interrupted at every point at which card or record change, begun again, and ends with one card, one set of keys, and no code lost.</summary>
public sealed class IssuingRunTests : IDisposable
{
    private static readonly MailAddress Bob = MailAddress.Parse("bob@example.org");
    private readonly TempDirectory _directory = new();
    private readonly List<IDisposable> _owned = [];
    private readonly SoftwareVault _vault;
    private readonly RealmKey _realm;
    private readonly RSA _transport = RSA.Create(3072);

    public IssuingRunTests()
    {
        _vault = SoftwareVault.OpenOrCreate(_directory.Path);
        _realm = new RealmKey(_vault.OrganisationEcdsaKey("realm"));
    }

    public static TheoryData<CardKind, bool> Ways => [.. from kind in Enum.GetValues<CardKind>() from escrow in new[] { true, false } select (kind, escrow)];

    public void Dispose()
    {
        foreach (var owned in Enumerable.Reverse(_owned))
            owned.Dispose();
        _transport.Dispose();
        _realm.Dispose();
        _vault.Dispose();
        _directory.Dispose();
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task A_run_that_is_interrupted_anywhere_is_finished_by_the_next_one(CardKind kind, bool escrow)
    {
        var points = 0;
        // A token costs a third of a second to make: there each way takes another third of the points.
        var (first, stride) = kind == CardKind.Token ? (escrow ? 1 : 2, 3) : (1, 1);
        for (var stopAt = first; ; stopAt += stride)
        {
            var (card, factory) = await CardAsync(kind);
            var desk = Desk(escrow);
            var interrupted = await InterruptAsync(card, desk, factory, stopAt);
            if (!interrupted)
                break;
            points++;
            await FinishAsync(card, desk, factory);
            // A second time on the same card: its old decipher key goes aside, its codes are those of the first issuing.
            if (stopAt % 7 == 0)
            {
                await desk.RenewAsync();
                Assert.True(await InterruptAsync(card, desk, factory, 1 + stopAt % 23));
                await FinishAsync(card, desk, factory);
            }
        }
        Assert.True(points * stride > 30, $"Only {points} points.");
    }

    [Fact]
    public async Task A_stop_is_heard_between_steps_and_the_card_goes_on_later()
    {
        var (card, factory) = await CardAsync(CardKind.OpenPgp);
        var desk = Desk(escrow: true);
        using var stop = new CancellationTokenSource();
        var seen = new List<CardStep>();
        var progress = new Steps(step =>
        {
            seen.Add(step);
            if (step == CardStep.KeysMade)
                stop.Cancel();
        });
        using (card.BeginSession())
            await Assert.ThrowsAsync<OperationCanceledException>(() => Run(card, desk, factory, []).RunAsync(Order(card), progress, stop.Token));
        Assert.Equal([CardStep.Ordered, CardStep.KeysMade], seen);
        Assert.Equal(CardStep.KeysMade, desk.Record!.Step);
        await FinishAsync(card, desk, factory);
    }

    [Fact]
    public async Task Without_escrow_nothing_happens_to_the_card_before_the_operator_confirmed()
    {
        using var memory = VirtualOpenPgpCard.Create(_directory["bob.card"]);
        using var connection = CardConnection.Of(memory);
        var before = await File.ReadAllBytesAsync(_directory["bob.card"], TestContext.Current.CancellationToken);
        var asked = "";
        var terms = new IssuingTerms("246802", null, new CardCodes(VirtualOpenPgpCard.DefaultAdminPin, null), _ => { }, text =>
        {
            asked = text;
            return false;
        });
        using (connection.Card.BeginSession())
        {
            await Assert.ThrowsAsync<IssuingDeclinedException>(() =>
                new IssuingRun(connection.Card, Desk(escrow: false), _transport, terms, TimeProvider.System).RunAsync(Order(connection.Card), null, TestContext.Current.CancellationToken));
        }
        Assert.Contains("can't be read any more", asked, StringComparison.Ordinal);
        Assert.Equal(before, await File.ReadAllBytesAsync(_directory["bob.card"], TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task The_last_try_of_a_code_is_not_spent_on_a_guess()
    {
        var (card, factory) = await CardAsync(CardKind.OpenPgp);
        card.Verify(CardPin.Administrator, "00000000", CardUse.Sign);
        Assert.Equal(2, card.Describe().Pin(CardPin.Administrator)!.TriesLeft);
        using (card.BeginSession())
            Assert.Throws<CardException>(() => new CardCodeSet(card, "246802").Open([new CardCodes("99999999", null), factory]));
        Assert.Equal(1, card.Describe().Pin(CardPin.Administrator)!.TriesLeft);
    }

    private RecordDesk Desk(bool escrow) => new(_vault, _realm, _transport.ExportSubjectPublicKeyInfo(), escrow ? EscrowAlgorithm.EcP256 : null);

    private IssuingRun Run(IIssuableCard card, RecordDesk desk, CardCodes factory, List<HolderLetter> letters) => new(
        card, desk, _transport, new IssuingTerms(CardCodeSet.RandomPin(), null, factory, letters.Add, _ => true), TimeProvider.System);

    private static IssuingOrder Order(IIssuableCard card)
    {
        var told = card.Describe();
        return new IssuingOrder(Bob, told.Serial, told.Kind, told.HasAesSlot, CardKeyAlgorithm.P256);
    }

    /// <returns>False where the run came to its end first.</returns>
    private async Task<bool> InterruptAsync(IIssuableCard card, RecordDesk desk, CardCodes factory, int stopAt)
    {
        var reached = 0;
        void Point()
        {
            if (++reached == stopAt)
                throw new InterruptedException();
        }
        desk.Point = Point;
        try
        {
            using var session = card.BeginSession();
            await Run(new InterruptedCard(card, Point), desk, factory, []).RunAsync(Order(card), null, default);
            return false;
        }
        catch (InterruptedException)
        {
            return true;
        }
        finally
        {
            desk.Point = () => { };
        }
    }

    private async Task FinishAsync(IIssuableCard card, RecordDesk desk, CardCodes factory)
    {
        var before = desk.Issued.Count;
        var letters = new List<HolderLetter>();
        IssuingRecord record;
        using (card.BeginSession())
            record = await Run(card, desk, factory, letters).RunAsync(Order(card), null, default);
        Assert.Equal(CardStep.Done, record.Step);
        Assert.InRange(desk.Issued.Count - before, 0, 3);
        // Where the last interruption came after the end, the PIN is in the letter of that run.
        var letter = letters.LastOrDefault();
        using var session = card.BeginSession();
        Assert.Equal(3, record.Certificates.Length);
        foreach (var certificate in record.Certificates)
        {
            var held = Assert.Single(card.ReadKeys(), k => k.Slot.Name == card.Slot(certificate.Use)!.Name);
            using var parsed = X509CertificateLoader.LoadCertificate(certificate.Der.Span);
            Assert.Equal(certificate.Der.ToArray(), held.Certificate.ToArray());
            Assert.True(held.Public.IsSameAs(CardPublicKey.Of(parsed)!));
        }
        using (var signer = X509CertificateLoader.LoadCertificate(record.Certificates.Single(c => c.Use == CardUse.Sign).Der.Span))
        using (var key = signer.GetECDsaPublicKey()!)
        {
            var (text, signature) = desk.Receipt!.Value;
            Assert.True(key.VerifyData(Encoding.UTF8.GetBytes(text), signature, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence));
        }
        Assert.Equal(desk.Kvno, EnrolledCard.Decode(card.ReadIdentity()!)!.Identity.Kvno);
        if (letter is not null)
        {
            Assert.IsType<PinResult.Ok>(card.Verify(CardPin.User, letter.UserPin, CardUse.Decipher));
            if (record.Order.HasAesSlot)
            {
                var input = RandomNumberGenerator.GetBytes(32);
                Assert.Equal(await desk.DecryptAsync(input), card.DecipherAes(input));
            }
        }
        Assert.IsType<PinResult.Ok>(card.Verify(CardPin.Administrator, record.Codes.Administrator, CardUse.Authenticate));
        if (record.Codes.Unblocking is { } code)
            Assert.IsType<PinResult.Ok>(card.Unblock(CardPin.Unblocking, code, "135791"));
    }

    private async Task<(IIssuableCard Card, CardCodes Factory)> CardAsync(CardKind kind)
    {
        switch (kind)
        {
            case CardKind.Token:
                var token = await SoftHsm.Instance.CreateTokenAsync();
                var module = Pkcs11.Pkcs11Module.Load(SoftHsm.Module);
                // SoftHSM looks for tokens when it starts.
                module.Reinitialize(module.Generation);
                return (Owned(TokenCard.Open(SoftHsm.Module, token.Label)), new CardCodes(token.OfficerPin, null));
            case CardKind.Piv:
                return (Owned(CardConnection.Of(Owned(VirtualPivCard.CreateInMemory()))).Card,
                    new CardCodes(VirtualPivCard.DefaultManagementKey, VirtualPivCard.DefaultUnblockingPin));
            default:
                return (Owned(CardConnection.Of(Owned(VirtualOpenPgpCard.CreateInMemory()))).Card,
                    new CardCodes(VirtualOpenPgpCard.DefaultAdminPin, null));
        }
    }

    private T Owned<T>(T thing)
        where T : IDisposable
    {
        _owned.Add(thing);
        return thing;
    }

    private sealed class InterruptedException : Exception;

    private sealed class Steps(Action<CardStep> told) : IProgress<CardStep>
    {
        public void Report(CardStep value) => told(value);
    }
}
