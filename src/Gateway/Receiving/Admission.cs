using System.Net;
using GatewaySecure.Smtp;

namespace GatewaySecure.Gateway.Receiving;

/// <summary>
/// One connection against the limits of its address: who it is from, what it may still do, and the reply that says no. The address
/// may change (XCLIENT); everything goes by the newest.
/// </summary>
/// <param name="place">Among all connections; stays the caller's.</param>
/// <param name="isRelay">Relay networks are exempt from rates.</param>
internal sealed class Admission(TrafficControl traffic, ConnectionLimiter.Place place, Func<IPAddress, bool> isRelay)
{
    private const string TooManyOpen = "Too many connections from your address";

    private IPAddress? _address;
    private bool _isExempt;
    private bool _hasFreeRates;
    private bool _isOverMessages;
    private PasswordTry _password;

    /// <summary>The connection is from there. Null: it may go on; it is asked once for each address.</summary>
    public SmtpReply? Enter(IPAddress address)
    {
        if (address.Equals(_address))
            return null;
        _address = address;
        _isExempt = traffic.IsExempt(address);
        _hasFreeRates = _isExempt || isRelay(address);
        _isOverMessages = false;
        if (_isExempt)
            place.MoveToNobody();
        else if (!place.TryMoveTo(address))
            return Close(TooManyOpen);
        if (_hasFreeRates)
            return null;
        return (traffic.Rates.TryTake(Traffic.Connection, address) ?? traffic.Rates.Look(Traffic.Error, address)) is { } reason ? Close(reason) : null;
    }

    /// <summary>A message begins. Whether it is one too many is told at its recipients, so that the postmaster can be reached.</summary>
    public void BeginMessage()
    {
        if (!_hasFreeRates)
            _isOverMessages = traffic.Rates.TryTake(Traffic.Message, _address!) is not null;
    }

    /// <summary>Null: one more recipient may come.</summary>
    public SmtpReply? TakeRecipient(bool isOurPostmaster)
    {
        if (_hasFreeRates)
            return null;
        var reason = _isOverMessages
            ? "Too many messages, try again later"
            : traffic.Rates.TryTake(Traffic.Recipient, _address!);
        if (reason is null || (isOurPostmaster && traffic.TryReachPostmaster()))
            return null;
        traffic.Refusals.Add(_address!, reason);
        return new SmtpReply(450, "4.7.1", reason);
    }

    /// <summary>The client did what it should not. Null: it may go on.</summary>
    public SmtpReply? TakeError() =>
        !_hasFreeRates && traffic.Rates.TryTake(Traffic.Error, _address!) is { } reason ? Close(reason) : null;

    /// <summary>A password is about to be looked at. Null: it may be; <see cref="PasswordWasRight"/> takes it back.</summary>
    public SmtpReply? TakePassword(string user)
    {
        if (_isExempt)
            return null;
        _password = traffic.Passwords.Begin(_address!, user, isOwnNetwork: _hasFreeRates);
        if (_password.Refusal is not { } reason)
            return null;
        traffic.Refusals.Add(_address!, reason);
        return new SmtpReply(454, "4.7.0", reason);
    }

    public void PasswordWasRight(string user)
    {
        if (!_isExempt)
            traffic.Passwords.WasRight(_address!, user, _password);
    }

    /// <summary>How long a wrong password is answered late: 1, 2, 4 and then 8 seconds.</summary>
    public TimeSpan PasswordDelay => _isExempt
        ? TimeSpan.Zero
        : TimeSpan.FromSeconds(1 << Math.Clamp(traffic.Passwords.Taken(_address!) - 1, 0, 3));

    private SmtpReply Close(string reason)
    {
        traffic.Refusals.Add(_address!, reason);
        return new SmtpReply(421, "4.7.0", reason);
    }
}
