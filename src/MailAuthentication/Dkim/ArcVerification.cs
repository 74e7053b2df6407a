using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using GatewaySecure.Dns;
using MimeKit.Cryptography;

namespace GatewaySecure.MailAuthentication.Dkim;

/// <summary>The ARC sets of one message (RFC 8617 §5.2): the newest message signature, and every seal from the newest to the oldest.</summary>
internal sealed class ArcVerification
{
    /// <summary>RFC 8617 §4.2.1.</summary>
    public const int MaximumSets = 50;

    private static readonly string[] Names = ["ARC-Authentication-Results", "ARC-Message-Signature", "ARC-Seal"];

    private readonly ImmutableArray<ArcSet> _sets;
    private readonly DkimVerification? _newest;
    private readonly ImmutableArray<Task<(DkimKey? Key, AuthenticationResult Result, string Reason)>> _keys = [];
    private readonly string? _problem;

    /// <param name="bodyFor">Gives the body's hash in the making.</param>
    public ArcVerification(
        ImmutableArray<MessageField> fields, Func<Canonicalisation, long?, BodyHash> bodyFor, IDnsResolver dns, DateTimeOffset now,
        CancellationToken cancellationToken)
    {
        (_sets, _problem) = Collect(fields, now);
        if (_sets.IsEmpty || _problem is not null)
            return;
        var message = _sets[^1].Message;
        _newest = new DkimVerification(message, fields, bodyFor(message.BodyWay, message.BodyLimit), dns, cancellationToken);
        _keys = [.. _sets.Select(s => DkimKey.FindAsync(s.Seal, dns, cancellationToken).AsTask())];
    }

    /// <param name="trustedSealers">Domains whose word about what they saw counts.</param>
    /// <param name="fromDomains">What the From field names: a recorded pass must be about one of them.</param>
    public async ValueTask<ArcResult> FinishAsync(IReadOnlySet<string> trustedSealers, IReadOnlyCollection<string> fromDomains)
    {
        if (_problem is not null)
            return Failed(_problem);
        if (_newest is null)
            return new ArcResult(AuthenticationResult.None, "no ARC sets", []);
        var message = await _newest.FinishAsync();
        if (message.Result != AuthenticationResult.Pass)
            return Failed($"newest message signature: {message.Reason}", message.Result);
        for (var i = _sets.Length - 1; i >= 0; i--)
        {
            var (key, result, reason) = await _keys[i];
            if (key is null)
                return Failed($"seal {i + 1}: {reason}", result);
            if (!key.Verify(DigestOf(i), _sets[i].Seal.Signature))
                return Failed($"seal {i + 1} of {_sets[i].Seal.Domain} does not fit");
        }
        var sealers = _sets.Select(s => s.Seal.Domain).ToImmutableArray();
        return new ArcResult(
            AuthenticationResult.Pass, $"sealed by {string.Join(", ", sealers.Reverse())}", sealers, VouchedBy(trustedSealers, fromDomains));
    }

    private static ArcResult Failed(string reason, AuthenticationResult result = AuthenticationResult.Fail) =>
        new(result == AuthenticationResult.TempError ? result : AuthenticationResult.Fail, reason, []);

    // RFC 8617 §5.1.1: the sets in order, each as results, message signature, seal; of the last seal without its b=.
    private byte[] DigestOf(int last)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (var i = 0; i <= last; i++)
        {
            hash.AppendData(Canonical.Field(_sets[i].Results.Raw.Span, Canonicalisation.Relaxed));
            hash.AppendData(Canonical.Field(_sets[i].Message.Field.Raw.Span, Canonicalisation.Relaxed));
            var seal = _sets[i].Seal.Field.Raw.Span;
            hash.AppendData(i == last ? Canonical.WithoutSignature(seal, Canonicalisation.Relaxed) : Canonical.Field(seal, Canonicalisation.Relaxed));
        }
        return hash.GetHashAndReset();
    }

    /// <summary>RFC 8617 §7.2: only an unbroken run of trusted sealers up to us can say what its first one saw.</summary>
    private string? VouchedBy(IReadOnlySet<string> trusted, IReadOnlyCollection<string> fromDomains)
    {
        var first = _sets.Length;
        while (first > 0 && trusted.Contains(_sets[first - 1].Seal.Domain))
            first--;
        if (first == _sets.Length)
            return null;
        var value = _sets[first].Results.Value;
        // RFC 8617 §4.1.1: an instance stands before what RFC 8601 has.
        var results = Encoding.Latin1.GetBytes(value[(value.IndexOf(';', StringComparison.Ordinal) + 1)..]);
        if (!AuthenticationResults.TryParse(results, out var said))
            return null;
        var passed = said.Results.Any(r => r.Method.Equals("dmarc", StringComparison.OrdinalIgnoreCase)
            && r.Result.Equals("pass", StringComparison.OrdinalIgnoreCase)
            && fromDomains.Count == 1
            && r.Properties.Any(p => p.PropertyType == "header" && p.Property == "from" && fromDomains.Contains(p.Value.ToLowerInvariant())));
        return passed ? _sets[first].Seal.Domain : null;
    }

    /// <summary>The sets in their order; none, with the reason, where they are no chain that says of itself that it is good.</summary>
    public static (ImmutableArray<ArcSet> Sets, string? Problem) Collect(ImmutableArray<MessageField> fields, DateTimeOffset now)
    {
        var byInstance = new SortedDictionary<int, MessageField?[]>();
        foreach (var field in fields)
        {
            var kind = Array.FindIndex(Names, field.Is);
            if (kind < 0)
                continue;
            if (InstanceOf(field) is not { } instance)
                return ([], $"an {Names[kind]} field has no valid instance");
            if (!byInstance.TryGetValue(instance, out var set))
                byInstance[instance] = set = new MessageField?[Names.Length];
            if (set[kind] is not null)
                return ([], $"instance {instance} has two {Names[kind]} fields");
            set[kind] = field;
        }
        var sets = ImmutableArray.CreateBuilder<ArcSet>();
        foreach (var (instance, found) in byInstance)
        {
            if (instance != sets.Count + 1 || found is not [{ } results, { } message, { } seal])
                return ([], "the sets are not complete");
            if (!DkimSignature.TryParse(message, SignatureKind.ArcMessage, now, out var messageSignature, out var problem)
                || !DkimSignature.TryParse(seal, SignatureKind.Seal, now, out var sealSignature, out problem))
                return ([], $"instance {instance}: {problem.Reason}");
            // RFC 8617 §5.2 step 3.
            var wanted = instance == 1 ? "none" : "pass";
            if (sealSignature.Tags["cv"]?.ToLowerInvariant() != wanted)
                return ([], $"instance {instance} says itself that the chain is not good");
            sets.Add(new ArcSet(results, messageSignature, sealSignature));
        }
        return (sets.ToImmutable(), null);
    }

    private static int? InstanceOf(MessageField field)
    {
        var first = field.Is(Names[0]) ? field.Value.Split(';', 2)[0] : null;
        var text = first is not null
            ? first.Replace(" ", "", StringComparison.Ordinal) is ['i', '=', .. var number] ? number : null
            : TagList.TryParse(field.Value, out var tags) ? tags["i"] : null;
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var instance) && instance is > 0 and <= MaximumSets
            ? instance
            : null;
    }
}

/// <summary>What one sealer put on top (RFC 8617 §4.2).</summary>
internal sealed record ArcSet(MessageField Results, DkimSignature Message, DkimSignature Seal);
