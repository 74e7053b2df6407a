using GatewaySecure.Gateway.Spool;
using GatewaySecure.MailAuthentication;
using GatewaySecure.MailProtection;
using GatewaySecure.MailProtection.Mime;
using GatewaySecure.MailProtection.Tnef;
using GatewaySecure.Policies;

namespace GatewaySecure.Gateway.Protection;

/// <summary>What protected mail from outside is opened with (docs/opening.md).</summary>
/// <param name="Keys">Old ones too: every one is tried that a mail names.</param>
/// <param name="TagSubject">The subject says what was found.</param>
internal sealed record OpeningParts(MailOpener Opener, IReadOnlyList<SmimeKey> Keys, bool OpenUnsigned, bool TagSubject);

/// <summary>Makes the form of a mail that its decision wants, anew at each attempt: no octet of it rests anywhere.</summary>
internal sealed class MailForms(OpeningParts opening, CertificateWatch certificates)
{
    /// <exception cref="IOException">The spool could not be read, or the HSM is away.</exception>
    public async ValueTask<MailForm> MakeAsync(SpooledMail item, Decision decision, CancellationToken cancellationToken)
    {
        // TNEF may be around S/MIME, and inside it.
        var form = await OpenTnefAsync(new MailForm(item.Content), decision.Tnef, cancellationToken);
        if (decision.Smime == SmimeHandling.Leave || form.Refusal is not null)
            return form;
        var keys = new OpeningKeys { SmimeKeys = [.. opening.Keys], Trust = certificates.Current };
        var options = new UnwrapOptions(decision.Smime == SmimeHandling.Open, opening.OpenUnsigned);
        var unwrapped = await opening.Opener.UnwrapAsync(form.Content, keys, options, cancellationToken);
        try
        {
            if (unwrapped.Result is not { } result)
                return await TagAsync(form, unwrapped, cancellationToken);
            form = form with { Found = Describe(result, unwrapped), Unwrapped = unwrapped };
            if (unwrapped.Content is not { } inside)
                return await TagAsync(form with { Note = Join(form.Note, $"S/MIME {Word(result)}: {unwrapped.Reason}") }, unwrapped, cancellationToken);
            form = form with
            {
                Content = inside,
                // With another key more of it may open: that is another form.
                Kind = $"{form.Kind} unwrapped {inside.Length}",
                Note = Join(form.Note, $"S/MIME {Word(result)}, opened: {unwrapped.Reason}"),
            };
            return await TagAsync(await OpenTnefAsync(form, decision.Tnef, cancellationToken), unwrapped, cancellationToken);
        }
        catch
        {
            unwrapped.Dispose();
            throw;
        }
    }

    private async ValueTask<MailForm> TagAsync(MailForm form, UnwrappedMail unwrapped, CancellationToken cancellationToken)
    {
        if (!opening.TagSubject)
            return form;
        string[] tags = [.. unwrapped.Content is null ? (string[])[] : [SubjectTag.WasOpened], .. unwrapped.Result == SmimeResult.Pass ? (string[])[SubjectTag.WasSigned] : []];
        var content = await SubjectTag.PutAsync(form.Content, tags, cancellationToken);
        return ReferenceEquals(content, form.Content) ? form : form with { Content = content, Kind = $"{form.Kind} tagged {content.Length}" };
    }

    private static async ValueTask<MailForm> OpenTnefAsync(MailForm form, TnefHandling tnef, CancellationToken cancellationToken)
    {
        if (tnef == TnefHandling.Keep)
            return form;
        return await TnefOpening.OpenAsync(form.Content, cancellationToken) switch
        {
            TnefOutcome.Opened opened => form with { Content = opened.Content, Kind = $"{form.Kind} opened", Note = Join(form.Note, opened.Summary) },
            TnefOutcome.Refused refused when tnef == TnefHandling.Open => form with { Refusal = refused.Reason },
            TnefOutcome.Refused refused => form with { Note = Join(form.Note, $"TNEF stayed as it is: {refused.Reason}") },
            _ => form,
        };
    }

    private static string Describe(SmimeResult result, UnwrappedMail unwrapped) => AuthenticationResultsField.Result(
        "smime", Word(result), unwrapped.Reason,
        [
            ("body.smime-identifier", unwrapped.Signer?.Address?.ToString()),
            ("body.smime-serial", unwrapped.Signer?.Serial),
            ("body.smime-issuer", unwrapped.Signer?.Issuer),
            ("policy.smime-encryption", !unwrapped.WasEncrypted ? null : unwrapped.Content is null ? "closed" : "opened"),
        ]);

    private static string Word(SmimeResult result) => result.ToString().ToLowerInvariant();

    private static string Join(string? before, string note) => before is null ? note : $"{before} {note}";
}
