using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.KdcCore;
using GatewaySecure.KdcServer.Configuration;
using GatewaySecure.KdcServer.Hosting;
using GatewaySecure.KdcTransport.Operator;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.KdcServer.Operators;

/// <summary>
/// Operators' sessions (docs/kdc.md). One opens with a signature of the operator's card, for this server and one station, and lives as long as the
/// station says that the card is there: it ends when the station says so, when three heartbeats are missing, when nothing is done for long, when the
/// operator logs on elsewhere or is no longer in good standing, and with the server. Each end stands in the audit with its reason. Thread-safe.
/// </summary>
internal sealed class OperatorSessions : IAsyncDisposable
{
    private const int TokenSize = 32;
    private const int ChallengeHalf = 16;
    private const int MostEnded = 256;
    private const int MissingHeartbeats = 3;

    private static readonly TimeSpan ChallengeLifetime = TimeSpan.FromMinutes(1);

    private readonly Realm _realm;
    private readonly KdcPorts _ports;
    private readonly ICertificateStore _certificates;
    private readonly OperatorsConfiguration _options;
    private readonly string _serverCertificate;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly SemaphoreSlim _logOns = new(1, 1);
    private readonly CancellationTokenSource _stop = new();
    private readonly byte[] _challengeKey = RandomNumberGenerator.GetBytes(32);
    private readonly ConcurrentDictionary<string, DateTimeOffset> _usedChallenges = new();
    private readonly ConcurrentDictionary<string, OperatorSession> _open = new();
    private readonly ConcurrentDictionary<string, string> _ended = new();
    private readonly ConcurrentQueue<string> _endedInOrder = new();
    private Task _watch = Task.CompletedTask;

    /// <param name="serverCertificate">SHA-256 of the server's TLS certificate, hexadecimal.</param>
    public OperatorSessions(
        Realm realm, KdcPorts ports, ICertificateStore certificates, OperatorsConfiguration options, string serverCertificate, TimeProvider time, ILogger log)
    {
        (_realm, _ports, _certificates, _options) = (realm, ports, certificates, options);
        (_serverCertificate, _time, _log) = (serverCertificate, time, log);
    }

    public void Start() => _watch = WatchAsync();

    /// <summary>32 octets to be signed within a minute, once. Making one stores nothing, so strangers can't use up what there is.</summary>
    public byte[] Challenge()
    {
        var challenge = new byte[2 * ChallengeHalf];
        RandomNumberGenerator.Fill(challenge.AsSpan(0, ChallengeHalf - sizeof(uint)));
        BinaryPrimitives.WriteUInt32BigEndian(challenge.AsSpan(ChallengeHalf - sizeof(uint)), (uint)(_time.GetUtcNow() + ChallengeLifetime).ToUnixTimeSeconds());
        Mark(challenge).CopyTo(challenge.AsSpan(ChallengeHalf));
        return challenge;
    }

    /// <exception cref="AdministrationException">Why not.</exception>
    public async Task<LogOnAnswer> LogOnAsync(LogOnRequest request, CancellationToken cancellationToken)
    {
        if (!IsOurs(request.Challenge))
            throw new AdministrationException("The log-on took too long, or its challenge is not one of this server; try again.");
        using var certificate = Read(request.Certificate);
        var hash = certificate.GetCertHashString(HashAlgorithmName.SHA256);
        if (await _ports.Principals.FindByCertificateAsync(hash, PrincipalKind.Operator, cancellationToken) is not { } found)
            throw new AdministrationException("This card is not an operator's: 'kdc principal certificate' puts its certificate on an operator's record.");
        var text = LogOnText.Of(_realm.Name, _serverCertificate, request.Challenge, request.TransportKey);
        var spki = certificate.PublicKey.ExportSubjectPublicKeyInfo();
        if (!CardSignature.Holds(spki, text, request.Signature))
            throw await RefusedAsync(found, "The signature is not one of this card for this server and station.", cancellationToken);
        if (!UseUp(request.Challenge))
            throw await RefusedAsync(found, "This challenge was used before; try again.", cancellationToken);
        if (await ObjectionAsync(found, certificate, cancellationToken) is { } objection)
            throw await RefusedAsync(found, objection, cancellationToken);
        using (var rsa = TransportEncryption.ReadKey(request.TransportKey))
        {
            if (rsa is null)
                throw await RefusedAsync(found, $"The station's transport key is not an RSA key of at least {TransportEncryption.MinimumBits} bits.", cancellationToken);
        }
        if (await _ports.Vault.ObjectionToAsync(request.TransportKey, cancellationToken) is { } unknown)
            throw await RefusedAsync(found, unknown, cancellationToken);

        var (token, endedAnother) = await OpenAsync(found, certificate.RawData, hash, spki, request.TransportKey, cancellationToken);
        return new LogOnAnswer(
            token, found.Id.ToString(), found.Name, _realm.Name, _ports.Vault.Description, _ports.Vault.IsForTrials,
            _options.Heartbeat.TotalSeconds, _options.Idle.TotalSeconds, endedAnother);
    }

    /// <summary>One after the other: of two log-ons at once the later ends the earlier.</summary>
    private async Task<(string Token, bool EndedAnother)> OpenAsync(
        Principal found, byte[] certificate, string hash, byte[] spki, byte[] transportKey, CancellationToken cancellationToken)
    {
        await _logOns.WaitAsync(cancellationToken);
        try
        {
            var endedAnother = false;
            foreach (var (key, open) in _open)
            {
                if (open.Operator.Id == found.Id)
                    endedAnother |= await EndAsync(key, "the operator logged on again");
            }
            var station = Convert.ToHexStringLower(SHA256.HashData(transportKey));
            await AuditAsync("operator.log-on", found.Id, $"station={station} certificate={hash}", cancellationToken);
            var now = _time.GetTimestamp();
            var token = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(TokenSize));
            _open[Key(token)] = new OperatorSession(found, certificate, hash, spki, transportKey) { HeardAt = now, WorkedAt = now };
            _log.OperatorCame(found.Name, station);
            return (token, endedAnother);
        }
        finally
        {
            _logOns.Release();
        }
    }

    /// <summary>The open session of that token, heard from just now.</summary>
    /// <param name="works">It is a command, not a heartbeat.</param>
    /// <exception cref="SessionEndedException">There is none, and why.</exception>
    public async Task<OperatorSession> DemandAsync(string? token, bool works, CancellationToken cancellationToken)
    {
        var key = Key(token ?? "");
        if (!_open.TryGetValue(key, out var session))
            throw new SessionEndedException(_ended.TryGetValue(key, out var why) ? $"The session has ended: {why}." : "There is no such session; log on with your card.");
        if (Overdue(session) is { } overdue)
            await EndAsync(key, overdue);
        else if (await StandingAsync(session, cancellationToken) is { } objection)
            await EndAsync(key, objection);
        if (_ended.TryGetValue(key, out var reason))
            throw new SessionEndedException($"The session has ended: {reason}.");
        session.HeardAt = _time.GetTimestamp();
        if (works)
            session.WorkedAt = session.HeardAt;
        return session;
    }

    /// <summary>The station says that the card is gone, or the operator that he goes.</summary>
    public Task EndByStationAsync(string? token, string? reason) =>
        EndAsync(Key(token ?? ""), reason is { Length: > 0 and <= 200 } && !reason.Any(char.IsControl) ? reason : "the station said so");

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _watch;
        foreach (var key in _open.Keys)
            await EndAsync(key, "the server stopped");
        _stop.Dispose();
        _logOns.Dispose();
    }

    private byte[] Mark(ReadOnlySpan<byte> challenge) => HMACSHA256.HashData(_challengeKey, challenge[..ChallengeHalf])[..ChallengeHalf];

    private bool IsOurs(ReadOnlySpan<byte> challenge) =>
        challenge.Length == 2 * ChallengeHalf
        && CryptographicOperations.FixedTimeEquals(Mark(challenge), challenge[ChallengeHalf..])
        && BinaryPrimitives.ReadUInt32BigEndian(challenge[(ChallengeHalf - sizeof(uint))..]) >= _time.GetUtcNow().ToUnixTimeSeconds();

    /// <summary>Only challenges under a good signature are remembered, until they are over.</summary>
    private bool UseUp(byte[] challenge)
    {
        var now = _time.GetUtcNow();
        foreach (var (old, until) in _usedChallenges)
        {
            if (until < now)
                _usedChallenges.TryRemove(old, out _);
        }
        // A second longer than it is good: whole seconds are compared.
        return _usedChallenges.TryAdd(Convert.ToHexString(challenge), now + ChallengeLifetime + TimeSpan.FromSeconds(1));
    }

    private async Task WatchAsync()
    {
        using var timer = new PeriodicTimer(_options.Heartbeat, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token))
            {
                foreach (var (key, session) in _open)
                {
                    if (Overdue(session) is { } reason)
                        await EndAsync(key, reason);
                }
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The server stops.
        }
    }

    private string? Overdue(OperatorSession session)
    {
        if (_time.GetElapsedTime(session.HeardAt) > _options.Heartbeat * MissingHeartbeats)
            return "the station was not heard any more";
        return _time.GetElapsedTime(session.WorkedAt) > _options.Idle ? "nothing was done for too long" : null;
    }

    /// <summary>Of the operator and his certificate as they are on record now.</summary>
    private async Task<string?> StandingAsync(OperatorSession session, CancellationToken cancellationToken)
    {
        if (await _ports.Principals.FindByCertificateAsync(session.CertificateHash, PrincipalKind.Operator, cancellationToken) is not { } now || now.Id != session.Operator.Id)
            return "the card's certificate was taken off the operator's record";
        if (now.Objection(_time.GetUtcNow()) is { } objection)
            return $"the operator {objection}";
        using var certificate = X509CertificateLoader.LoadCertificate(session.Certificate.Span);
        return await CertificateObjectionAsync(certificate, cancellationToken) is { } reason ? $"{char.ToLowerInvariant(reason[0])}{reason[1..].TrimEnd('.')}" : null;
    }

    private async Task<string?> ObjectionAsync(Principal found, X509Certificate2 certificate, CancellationToken cancellationToken) =>
        found.Objection(_time.GetUtcNow()) is { } objection ? $"{found.Name} {objection}." : await CertificateObjectionAsync(certificate, cancellationToken);

    private async Task<string?> CertificateObjectionAsync(X509Certificate2 certificate, CancellationToken cancellationToken)
    {
        var now = _time.GetUtcNow();
        if (now < certificate.NotBefore.ToUniversalTime() || certificate.NotAfter.ToUniversalTime() < now)
            return $"The card's certificate is good from {certificate.NotBefore.ToUniversalTime():yyyy-MM-dd} to {certificate.NotAfter.ToUniversalTime():yyyy-MM-dd} only.";
        return await _certificates.FindAsync(certificate.SerialNumber, cancellationToken) is { RevokedAt: { } revoked } record
            && record.Der.Span.SequenceEqual(certificate.RawData)
            ? $"The card's certificate is revoked since {revoked:yyyy-MM-dd}."
            : null;
    }

    /// <returns>False where it had ended already.</returns>
    private async Task<bool> EndAsync(string key, string reason)
    {
        if (!_open.TryGetValue(key, out var session))
            return false;
        // Before it is gone: whoever asks in between must not be told that there never was one.
        _ended[key] = reason;
        if (!_open.TryRemove(key, out _))
            return false;
        _endedInOrder.Enqueue(key);
        while (_endedInOrder.Count > MostEnded && _endedInOrder.TryDequeue(out var oldest))
            _ended.TryRemove(oldest, out _);
        _log.OperatorLeft(session.Operator.Name, reason);
        try
        {
            await AuditAsync("operator.log-off", session.Operator.Id, reason, CancellationToken.None);
        }
        catch (IOException e)
        {
            // The session has ended all the same.
            _log.NotAudited(e, "operator.log-off");
        }
        return true;
    }

    private async Task<AdministrationException> RefusedAsync(Principal claimed, string reason, CancellationToken cancellationToken)
    {
        await AuditAsync("operator.refused", claimed.Id, reason, cancellationToken);
        return new AdministrationException(reason);
    }

    private ValueTask AuditAsync(string action, PrincipalId who, string detail, CancellationToken cancellationToken) => _ports.Audit.AppendAsync(
        new AuditEntry(new AuditEvent(DateTimeOffset.FromUnixTimeSeconds(_time.GetUtcNow().ToUnixTimeSeconds()), action, who.ToString(), who.ToString(), detail)), cancellationToken);

    /// <summary>Of a token only the hash is kept.</summary>
    private static string Key(string token) => Convert.ToHexString(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(token)));

    private static X509Certificate2 Read(byte[] der)
    {
        try
        {
            return X509CertificateLoader.LoadCertificate(der);
        }
        catch (CryptographicException e)
        {
            throw new AdministrationException($"The card's certificate is not readable: {e.Message}");
        }
    }
}
