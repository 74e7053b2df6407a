using System.Collections.Immutable;
using GatewaySecure.Dns;

namespace GatewaySecure.MailAuthentication.Dkim;

/// <summary>One signature of one message: its key is looked up while the body passes (RFC 6376 §6.1).</summary>
internal sealed class DkimVerification(
    DkimSignature signature, ImmutableArray<MessageField> fields, BodyHash body, IDnsResolver dns, CancellationToken cancellationToken)
{
    private readonly Task<(DkimKey? Key, AuthenticationResult Result, string Reason)> _key = DkimKey.FindAsync(signature, dns, cancellationToken).AsTask();

    public DkimSignature Signature => signature;

    /// <summary>Once the body was hashed.</summary>
    public async ValueTask<DkimResult> FinishAsync()
    {
        var (result, reason) = await CheckAsync();
        return new DkimResult(result, reason, signature.Domain, signature.Selector, signature.Algorithm, signature.Start);
    }

    private async ValueTask<(AuthenticationResult Result, string Reason)> CheckAsync()
    {
        var (key, result, reason) = await _key;
        if (key is null)
            return (result, reason);
        if (key.IsStrict && signature.Tags.Compact("i") is { } identity && !identity.EndsWith("@" + signature.Domain, StringComparison.OrdinalIgnoreCase))
            return (AuthenticationResult.PermError, "the key does not allow identities of subdomains");
        var test = key.IsTest ? " (the key is marked as a test)" : "";
        if (!body.Finish().AsSpan().SequenceEqual(signature.BodyHash))
            return (AuthenticationResult.Fail, $"the body was changed{test}");
        if (!key.Verify(HeaderDigest.Of(fields, signature.SignedFields, signature.Field.Raw.Span, signature.HeaderWay), signature.Signature))
            return (AuthenticationResult.Fail, $"the signature does not fit the header{test}");
        // RFC 6376 §8.2: what stands behind the signed length may be anybody's.
        return signature.BodyLimit < body.Length
            ? (AuthenticationResult.Policy, "the signature does not cover the whole body")
            : (AuthenticationResult.Pass, $"signed by {signature.Domain}{test}");
    }
}
