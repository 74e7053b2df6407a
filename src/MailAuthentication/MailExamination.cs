using System.Collections.Immutable;
using System.Text;
using GatewaySecure.Dns;
using GatewaySecure.MailAuthentication.Dkim;
using GatewaySecure.MailAuthentication.Dmarc;
using GatewaySecure.MailAuthentication.Spf;

namespace GatewaySecure.MailAuthentication;

/// <summary>
/// One mail on its way in: the header is kept, the body only hashed, and the DNS is asked meanwhile. Used by one caller at a time.
/// </summary>
public sealed class MailExamination : IDisposable
{
    /// <summary>Signatures beyond are not looked at: each costs a look-up, and anybody may add some.</summary>
    private const int MaximumSignatures = 10;

    private readonly IDnsResolver _dns;
    private readonly MailAuthenticationOptions _options;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _over;
    private readonly Task<SpfResult> _spf;
    private readonly List<BodyHash> _bodies = [];
    private readonly List<DkimVerification> _verifications = [];
    private readonly List<DkimResult> _broken = [];
    private readonly HeaderBuffer _header = new();
    private bool _inBody;
    private ArcVerification? _arc;
    private ImmutableArray<MessageField> _fields = [];

    internal MailExamination(
        MailClient client, bool checkSpf, IDnsResolver dns, SpfVerifier spf, MailAuthenticationOptions options, TimeProvider time)
    {
        (_dns, _options, _time) = (dns, options, time);
        _over = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        _spf = checkSpf
            ? spf.CheckAsync(client.Address, client.Helo, client.Sender, _over.Token).AsTask()
            : Task.FromResult(new SpfResult(AuthenticationResult.None, "this peer forwards for others"));
    }

    /// <summary>The next octets of the mail as it came, in pieces of any size.</summary>
    public void Append(ReadOnlySpan<byte> octets)
    {
        octets = _header.Take(octets);
        if (_header.IsComplete && !_inBody)
            BeginBody();
        foreach (var body in _bodies)
            body.Append(octets);
    }

    /// <summary>After the last octet.</summary>
    /// <exception cref="OperationCanceledException">By the token only.</exception>
    public async ValueTask<AuthenticationReport> FinishAsync(CancellationToken cancellationToken)
    {
        // A message without an empty line is all header.
        if (!_inBody)
            BeginBody();
        _over.CancelAfter(_options.Deadline);
        await using (cancellationToken.Register(_over.Cancel))
        {
            const string TooLong = "the DNS did not answer in time";
            var spf = await OrAsync(_spf, new SpfResult(AuthenticationResult.TempError, TooLong), cancellationToken);
            var dkim = _broken.ToImmutableArray().ToBuilder();
            foreach (var verification in _verifications)
            {
                var late = new DkimResult(AuthenticationResult.TempError, TooLong, verification.Signature.Domain, verification.Signature.Selector);
                dkim.Add(await OrAsync(verification.FinishAsync().AsTask(), late, cancellationToken));
            }
            if (dkim.Count == 0)
                dkim.Add(new DkimResult(AuthenticationResult.None, "not signed"));
            var fromDomains = FromDomains.Of(_fields);
            var arc = await OrAsync(
                _arc!.FinishAsync(_options.TrustedSealers, fromDomains).AsTask(), new ArcResult(AuthenticationResult.TempError, TooLong, []), cancellationToken);
            var dmarc = await OrAsync(
                new DmarcVerifier(_dns, _over.Token).CheckAsync(fromDomains, spf, dkim.ToImmutable()).AsTask(),
                new DmarcResult(AuthenticationResult.TempError, TooLong),
                cancellationToken);
            return new AuthenticationReport(spf, dkim.ToImmutable(), arc, dmarc);
        }
    }

    public void Dispose()
    {
        _over.Cancel();
        _over.Dispose();
        foreach (var body in _bodies)
            body.Dispose();
    }

    private static async ValueTask<T> OrAsync<T>(Task<T> task, T late, CancellationToken cancellationToken)
    {
        try
        {
            return await task;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return late;
        }
    }

    private void BeginBody()
    {
        _inBody = true;
        _fields = MessageFields.Parse(_header.Octets);
        var now = _time.GetUtcNow();
        foreach (var field in _fields.Where(f => f.Is("DKIM-Signature")).Take(MaximumSignatures))
        {
            if (DkimSignature.TryParse(field, SignatureKind.Dkim, now, out var signature, out var problem))
                _verifications.Add(new DkimVerification(signature, _fields, BodyFor(signature.BodyWay, signature.BodyLimit), _dns, _over.Token));
            else
                _broken.Add(problem);
        }
        _arc = new ArcVerification(_fields, BodyFor, _dns, now, _over.Token);
    }

    /// <summary>Signatures that read the body alike share its hash.</summary>
    private BodyHash BodyFor(Canonicalisation way, long? limit)
    {
        var body = _bodies.Find(b => b.Way == way && b.Limit == limit);
        if (body is null)
            _bodies.Add(body = new BodyHash(way, limit));
        return body;
    }
}
