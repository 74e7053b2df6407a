using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Addresses;
using GatewaySecure.Trust;
using GatewaySecure.Trust.Revocation;

namespace GatewaySecure.MailProtection.Recipients;

/// <summary>How certificates are chosen.</summary>
public sealed record TrustOptions
{
    /// <summary>What a missing or stale answer about revocation means, for each authority.</summary>
    public RevocationRules Revocation { get; init; } = new(new(RevocationPolicy.WhereKnown));

    /// <summary>Shorter RSA keys are not encrypted to.</summary>
    public int MinimumRsaBits { get; init; } = 2048;

    /// <summary>
    /// Says of an address that its owner reads AES-256-GCM (RFC 8551 §2.7). A certificate that lists it among its own
    /// S/MIME capabilities needs no entry here.
    /// </summary>
    public Func<MailAddress, bool> ReadsGcm { get; init; } = static _ => false;

    /// <summary>
    /// Says of an address that its organisation opens mail for its people (RFC 3183 §3): where its owner has no certificate that can be used, the
    /// organisation's own is taken.
    /// </summary>
    public Func<MailAddress, bool> HasDomainCertificate { get; init; } = static _ => false;
}

/// <summary>Where a directory is loaded from. Folders are read without their subfolders.</summary>
public sealed record DirectoryFolders
{
    /// <summary>Recipients' certificates: *.pem, *.crt, *.cer, *.der, *.p7b.</summary>
    public ImmutableArray<string> Recipients { get; init; } = [];

    /// <summary>Trust anchors; same kinds of files.</summary>
    public ImmutableArray<string> Anchors { get; init; } = [];

    /// <summary>Intermediates; same kinds of files.</summary>
    public ImmutableArray<string> Intermediates { get; init; } = [];

    /// <summary>CRLs: *.crl, PEM or DER.</summary>
    public ImmutableArray<string> RevocationLists { get; init; } = [];

    /// <summary>OCSP responses: *.ocsp.</summary>
    public ImmutableArray<string> Answers { get; init; } = [];
}

/// <summary>
/// An immutable snapshot of recipients' certificates, trust anchors, intermediates and CRLs. To reload, build a new one and swap
/// the reference. Validation results are cached within one slice of time and never outlive it. Thread-safe. Uses no network.
/// </summary>
public sealed class CertificateDirectory
{
    /// <summary>How long one validation serves.</summary>
    private const long SliceSeconds = 300;

    /// <summary>RFC 3183 §4.1: the local part of the address in an organisation's certificate for encryption.</summary>
    public const string DomainAuthority = "domain-confidentiality-authority";

    private readonly FrozenDictionary<MailAddress, ImmutableArray<RecipientCertificate>> _byAddress;
    private readonly ConcurrentDictionary<(MailAddress Recipient, long Slice), CertificateChoice> _choices = new();
    private readonly PathValidator _paths;
    private long _newestSlice;

    private CertificateDirectory(
        IEnumerable<X509Certificate2> recipients,
        IEnumerable<X509Certificate2> anchors,
        IEnumerable<X509Certificate2> intermediates,
        RevocationSnapshot revocation,
        TrustOptions options,
        List<string> problems)
    {
        Options = options;
        _paths = new PathValidator(anchors, intermediates, revocation, options.Revocation);
        var byAddress = new Dictionary<MailAddress, List<RecipientCertificate>>();
        var seen = new HashSet<string>();
        foreach (var certificate in recipients)
        {
            if (!seen.Add(certificate.Thumbprint))
                continue;
            if (!RecipientCertificate.TryCreate(certificate, out var entry, out var problem))
            {
                problems.Add(problem);
                continue;
            }
            foreach (var address in entry.Addresses)
            {
                if (!byAddress.TryGetValue(address, out var list))
                    byAddress[address] = list = [];
                list.Add(entry);
            }
        }
        _byAddress = byAddress.ToFrozenDictionary(p => p.Key, p => p.Value.OrderByDescending(e => e.Certificate.NotBefore).ToImmutableArray());
        Problems = [.. problems];
    }

    public TrustOptions Options { get; }

    /// <summary>Files and certificates that were passed over, each with the reason.</summary>
    public ImmutableArray<string> Problems { get; }

    /// <summary>Reads the folders. A file that can't be read is passed over and named in <see cref="Problems"/>.</summary>
    /// <exception cref="DirectoryNotFoundException">A folder does not exist.</exception>
    public static CertificateDirectory Load(DirectoryFolders folders, TrustOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(folders);
        var problems = new List<string>();
        return new CertificateDirectory(
            CertificateFiles.ReadCertificates(folders.Recipients, problems),
            CertificateFiles.ReadCertificates(folders.Anchors, problems),
            CertificateFiles.ReadCertificates(folders.Intermediates, problems),
            RevocationSnapshot.Create(
                CertificateFiles.ReadRevocationLists(folders.RevocationLists, problems), CertificateFiles.ReadAnswers(folders.Answers, problems), problems),
            options ?? new TrustOptions(),
            problems);
    }

    /// <summary>From what is in memory. CRLs are DER.</summary>
    public static CertificateDirectory Create(
        IEnumerable<X509Certificate2> recipients,
        IEnumerable<X509Certificate2> anchors,
        IEnumerable<X509Certificate2>? intermediates = null,
        IEnumerable<byte[]>? revocationLists = null,
        TrustOptions? options = null) =>
        new(recipients, anchors, intermediates ?? [], RevocationSnapshot.Create(revocationLists ?? []), options ?? new TrustOptions(), []);

    /// <summary>Judges paths at the anchors and with the lists of this directory.</summary>
    public PathValidator Paths => _paths;

    /// <summary>How each recipient's certificate stands now, whichever path was found for it.</summary>
    public IEnumerable<(X509Certificate2 Certificate, PathVerdict Verdict)> Standings(DateTimeOffset now) =>
        _byAddress.Values.SelectMany(entries => entries).Distinct()
            .Select(entry => (entry.Certificate, _paths.Validate(entry.Certificate, [], now)));

    /// <summary>Judges every certificate that names the recipient; the newest valid one is chosen, else his organisation's where that opens mail for him.</summary>
    public CertificateChoice Select(MailAddress recipient, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        var own = SelectFor(recipient, now);
        if (own.Chosen is not null || !Options.HasDomainCertificate(recipient)
            || !MailAddress.TryParse($"{DomainAuthority}@{recipient.Domain}", out var authority))
        {
            return own;
        }
        var domain = SelectFor(authority, now);
        return new CertificateChoice(recipient, domain.Chosen, [.. own.Candidates, .. domain.Candidates]) { IsOfDomain = domain.Chosen is not null };
    }

    private CertificateChoice SelectFor(MailAddress recipient, DateTimeOffset now)
    {
        // Not cached: senders choose these addresses, and the cache must not grow by their choice.
        if (!_byAddress.TryGetValue(recipient, out var entries))
            return new CertificateChoice(recipient, null, []);
        var slice = now.ToUnixTimeSeconds() / SliceSeconds;
        if (_choices.TryGetValue((recipient, slice), out var known) && !known.ExpiresBefore(now))
            return known;
        if (Interlocked.Exchange(ref _newestSlice, slice) != slice)
            _choices.Clear();
        return _choices[(recipient, slice)] = SelectAnew(recipient, entries, now);
    }

    /// <summary>Judges a signer's certificate at a moment, with the certificates that came along with the signature.</summary>
    /// <param name="at">The path has to hold then; revocation counts as of <paramref name="now"/>.</param>
    internal PathVerdict ValidateSigner(X509Certificate2 certificate, IEnumerable<X509Certificate2> cameAlong, DateTimeOffset at, DateTimeOffset now) =>
        _paths.Validate(certificate, cameAlong, at, now);

    private CertificateChoice SelectAnew(MailAddress recipient, ImmutableArray<RecipientCertificate> entries, DateTimeOffset now)
    {
        var candidates = ImmutableArray.CreateBuilder<CertificateCandidate>(entries.Length);
        foreach (var entry in entries)
        {
            var readsGcm = entry.ClaimsGcm || Options.ReadsGcm(recipient);
            candidates.Add(new CertificateCandidate(entry, [.. Judge(entry, now)], readsGcm));
        }
        return new CertificateChoice(recipient, candidates.FirstOrDefault(c => c.IsUsable), candidates.ToImmutable());
    }

    private IEnumerable<CertificateRejection> Judge(RecipientCertificate entry, DateTimeOffset now)
    {
        foreach (var rejection in entry.JudgeAlone(now, Options.MinimumRsaBits))
            yield return rejection;
        var path = _paths.Validate(entry.Certificate, [], now);
        foreach (var weakness in path.Weaknesses)
            yield return new(RejectionReason.WeakKey, weakness);
        foreach (var rejection in path.Rejections)
        {
            // The validity of the certificate itself was judged above, in clearer words.
            if (rejection.Reason != RejectionReason.PathExpired || !entry.IsOutsideValidity(now))
                yield return rejection;
        }
    }
}
