using GatewaySecure.VirtualCard;

namespace GatewaySecure.SmartCard.Tests;

/// <summary>A card with both applications, as YubiKeys are.</summary>
public sealed class CardRecognitionTests : IDisposable
{
    private readonly VirtualOpenPgpCard _openPgp = VirtualOpenPgpCard.CreateInMemory();
    private readonly VirtualPivCard _piv = VirtualPivCard.CreateInMemory();
    private IVirtualCard? _selected;

    public void Dispose()
    {
        _openPgp.Dispose();
        _piv.Dispose();
    }

    [Fact]
    public void It_is_an_openpgp_card_where_it_was_not_issued() => Assert.Equal(CardKind.OpenPgp, Recognised().Kind);

    [Theory]
    [InlineData(CardKind.OpenPgp)]
    [InlineData(CardKind.Piv)]
    public void It_is_what_it_was_issued_as(CardKind kind)
    {
        IIssuableCard card = kind == CardKind.Piv ? PivCard.Select(Channel()) : OpenPgpCard.Select(Channel());
        using (card.BeginSession())
        {
            var code = kind == CardKind.Piv ? VirtualPivCard.DefaultManagementKey : VirtualOpenPgpCard.DefaultAdminPin;
            EveryCardTests.Ok(card.Verify(CardPin.Administrator, code, CardUse.Sign));
            card.PutIdentity(new byte[] { 1 });
        }
        Assert.Equal(kind, Recognised().Kind);
    }

    [Fact]
    public void A_session_finds_its_application_after_another_program_chose_the_other()
    {
        var card = OpenPgpCard.Select(Channel());
        PivCard.Select(Channel());
        using var session = card.BeginSession();
        Assert.Equal(CardKind.OpenPgp, card.Describe().Kind);
        EveryCardTests.Ok(card.Verify(CardPin.User, VirtualOpenPgpCard.DefaultUserPin, CardUse.Decipher));
    }

    private IIssuableCard Recognised()
    {
        var card = CardRecognition.Select(Channel());
        using var session = card.BeginSession();
        Assert.NotEmpty(card.Describe().Serial);
        return card;
    }

    private LocalCardChannel Channel() => new(_piv.Atr, Process, Reset);

    /// <summary>One application is selected at a time; the other forgets what was verified.</summary>
    private byte[] Process(byte[] apdu)
    {
        if (apdu is [_, 0xA4, ..])
        {
            foreach (var card in new IVirtualCard[] { _openPgp, _piv })
            {
                var answer = card.Process(apdu);
                if (answer is not [.., 0x90, 0x00])
                    continue;
                if (_selected != card)
                    _selected?.Reset();
                _selected = card;
                return answer;
            }
            return [0x6A, 0x82];
        }
        return _selected?.Process(apdu) ?? [0x69, 0x85];
    }

    private void Reset()
    {
        _openPgp.Reset();
        _piv.Reset();
        _selected = null;
    }
}
