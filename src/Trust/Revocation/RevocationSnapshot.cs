using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Security.Cryptography.X509Certificates;

namespace GatewaySecure.Trust.Revocation;

/// <summary>
/// The revocation lists and OCSP answers at hand, as they stand at one moment. Who signed them is judged when they are asked, with the
/// anchors of the path. Immutable, thread-safe.
/// </summary>
public sealed class RevocationSnapshot
{
    private readonly FrozenDictionary<string, ImmutableArray<RevocationList>> _lists;
    private readonly FrozenDictionary<string, ImmutableArray<OcspAnswer>> _answers;

    private RevocationSnapshot(IEnumerable<RevocationList> lists, IEnumerable<OcspAnswer> answers)
    {
        // The newest first: it is the one that most likely decides.
        _lists = lists.GroupBy(l => l.IssuerKey).ToFrozenDictionary(g => g.Key, g => g.OrderByDescending(l => l.ThisUpdate).ToImmutableArray());
        _answers = answers.GroupBy(a => a.SerialKey).ToFrozenDictionary(g => g.Key, g => g.OrderByDescending(a => a.ThisUpdate).ToImmutableArray());
        Lists = [.. _lists.Values.SelectMany(l => l)];
    }

    public static RevocationSnapshot Empty { get; } = new([], []);

    public ImmutableArray<RevocationList> Lists { get; }

    /// <param name="problems">Gets a line for each list that can't be used, with the reason.</param>
    public static RevocationSnapshot Create(IEnumerable<byte[]> lists, IEnumerable<OcspAnswer>? answers = null, ICollection<string>? problems = null)
    {
        ArgumentNullException.ThrowIfNull(lists);
        var usable = new List<RevocationList>();
        foreach (var der in lists)
        {
            if (!RevocationList.TryParse(der, out var list, out var problem))
                problems?.Add(problem);
            else if (list.Fault is { } fault)
                problems?.Add($"The CRL of {new X500DistinguishedName(list.Issuer.Span).Name} is not used: {fault}");
            else
                usable.Add(list);
        }
        return new(usable, answers ?? []);
    }

    /// <summary>The same with further OCSP answers.</summary>
    public RevocationSnapshot With(IEnumerable<OcspAnswer> answers) =>
        new(Lists, _answers.Values.SelectMany(a => a).Concat(answers));

    internal ImmutableArray<RevocationList> ListsOf(string issuerKey) => _lists.GetValueOrDefault(issuerKey, []);

    internal ImmutableArray<OcspAnswer> AnswersFor(ParsedCertificate certificate) =>
        _answers.GetValueOrDefault(OcspAnswer.KeyOf(certificate.Certificate.SerialNumberBytes.Span), []);
}
