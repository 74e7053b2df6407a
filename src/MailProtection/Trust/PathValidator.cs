using System.Collections.Immutable;
using System.Security.Cryptography.X509Certificates;

namespace GatewaySecure.MailProtection.Trust;

/// <summary>Whether a certificate leads to a trust anchor (RFC 5280 §6.1), and what speaks against it.</summary>
/// <param name="Rejections">Empty for a path that holds.</param>
internal sealed record PathVerdict(ImmutableArray<CertificateRejection> Rejections)
{
    public bool IsGood => Rejections.IsEmpty;
}

/// <summary>
/// Builds and checks a path to one of our anchors (RFC 5280 §6.1, by the platform, never with the machine's own roots or the network)
/// and asks our CRLs about each certificate of it but the anchor.
/// </summary>
internal sealed class PathValidator
{
    private readonly X509Certificate2Collection _anchors;
    private readonly X509Certificate2Collection _intermediates;
    private readonly RevocationLists _lists;
    private readonly RevocationPolicy _revocation;

    public PathValidator(
        IEnumerable<X509Certificate2> anchors,
        IEnumerable<X509Certificate2> intermediates,
        RevocationLists lists,
        RevocationPolicy revocation)
    {
        _anchors = [.. anchors];
        _intermediates = [.. intermediates];
        _lists = lists;
        _revocation = revocation;
    }

    public PathVerdict Validate(X509Certificate2 certificate, IEnumerable<X509Certificate2> cameAlong, DateTimeOffset at)
    {
        if (_anchors.Count == 0)
            return new([new(RejectionReason.Untrusted, "No trust anchor is configured.")]);
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(_anchors);
        chain.ChainPolicy.ExtraStore.AddRange(_intermediates);
        foreach (var extra in cameAlong)
            chain.ChainPolicy.ExtraStore.Add(extra);
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.VerificationTimeIgnored = false;
        chain.ChainPolicy.VerificationTime = at.UtcDateTime;

        var rejections = ImmutableArray.CreateBuilder<CertificateRejection>();
        if (!chain.Build(certificate))
            AddPathFaults(chain, rejections);
        var path = chain.ChainElements.Select(e => e.Certificate).ToArray();
        if (rejections.Count == 0 || rejections.All(r => r.Reason == RejectionReason.PathExpired))
            AddRevocation(path, at, rejections);
        foreach (var element in path)
            element.Dispose();
        return new(rejections.ToImmutable());
    }

    private static void AddPathFaults(X509Chain chain, ImmutableArray<CertificateRejection>.Builder rejections)
    {
        foreach (var fault in chain.ChainStatus)
        {
            var reason = fault.Status switch
            {
                X509ChainStatusFlags.NotTimeValid or X509ChainStatusFlags.NotTimeNested => RejectionReason.PathExpired,
                X509ChainStatusFlags.UntrustedRoot or X509ChainStatusFlags.PartialChain => RejectionReason.Untrusted,
                _ => RejectionReason.PathInvalid,
            };
            var text = reason switch
            {
                RejectionReason.PathExpired => "A certificate above it is out of its validity.",
                RejectionReason.Untrusted => "It leads to no trusted authority.",
                _ => $"Its path does not hold: {fault.StatusInformation.Trim()}.",
            };
            if (rejections.All(r => r.Text != text))
                rejections.Add(new(reason, text));
        }
    }

    private void AddRevocation(X509Certificate2[] path, DateTimeOffset at, ImmutableArray<CertificateRejection>.Builder rejections)
    {
        if (_revocation == RevocationPolicy.Off)
            return;
        for (var i = 0; i + 1 < path.Length; i++)
        {
            var subject = i == 0 ? "It" : $"The authority {path[i].Subject} above it";
            var status = _lists.Check(path[i], path[i + 1], at);
            if (status.Kind == RevocationKind.Revoked)
                rejections.Add(new(RejectionReason.Revoked, $"{subject} was revoked on {status.Since:yyyy-MM-dd}."));
            else if (_revocation == RevocationPolicy.Required && status.Kind == RevocationKind.Unknown)
                rejections.Add(new(RejectionReason.RevocationUnknown, $"No revocation list that can be used is at hand for {path[i].Issuer}."));
            else if (_revocation == RevocationPolicy.Required && status.Kind == RevocationKind.Stale)
                rejections.Add(new(RejectionReason.RevocationStale, $"The revocation list of {path[i].Issuer} is out of date."));
        }
    }
}
