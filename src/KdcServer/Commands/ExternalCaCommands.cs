using System.CommandLine;
using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using GatewaySecure.CertificateAuthority;
using GatewaySecure.KdcCore;
using GatewaySecure.KdcServer.Operators;
using GatewaySecure.Trust;

namespace GatewaySecure.KdcServer.Commands;

/// <summary><c>kdc ca requests</c> and <c>take</c>: cards whose keys a CA elsewhere certifies, by files.</summary>
internal static class ExternalCaCommands
{
    public static Command Requests()
    {
        var json = CommonOptions.AsJson();
        var output = new Option<string?>("--out") { Description = "A folder: each request goes to a file (PKCS #10, PEM), with requests.csv, which says what each is for." };
        return CaCommands.Command("requests", """
            Lists the requests of cards that wait for the CA elsewhere ('ca: external' in the configuration), or writes them to files. What a
            certificate has to say stands in the list: the CA must not take names from the request.

            Examples:
              kdc ca requests --out to-ca/
              kdc ca requests --json
            """, [output, json], async (parsed, work, cancellationToken) =>
        {
            Demand(work);
            var waiting = await WaitingAsync(work, cancellationToken);
            if (parsed.GetValue(output) is { } folder)
                await WriteAsync(folder, waiting, cancellationToken);
            if (parsed.GetValue(json))
                Console.WriteLine(JsonSerializer.Serialize(waiting.Select(w => w.View), CommonOptions.Json));
            else if (waiting.Count == 0)
                Console.WriteLine("No request waits.");
            foreach (var (_, _, view) in parsed.GetValue(json) ? [] : waiting)
                Console.WriteLine($"{view.File}  {view.Name}  {string.Join(' ', view.Addresses)}");
            return ExitCode.Success;
        });
    }

    public static Command Take()
    {
        var files = new Argument<string[]>("FILE") { Description = "What came back: PEM, DER or PKCS #7; other certificates in it are passed over.", Arity = ArgumentArity.OneOrMore };
        return CaCommands.Command("take", """
            Takes certificates that came back from the CA elsewhere. Each must be for a key that waits, signed by that CA, for the use that was asked
            for, and name nobody but the holder. Then the command that issues the card goes on.
            Exit status: 0 all taken, 1 one was not, with the reason.

            Example:
              kdc ca take from-ca/*.pem
            """, [files], async (parsed, work, cancellationToken) =>
        {
            var ca = Demand(work);
            var waiting = (await WaitingAsync(work, cancellationToken)).ToDictionary(w => Convert.ToHexString(w.Key.PublicKey.Span));
            var (taken, refused) = (0, 0);
            foreach (var file in parsed.GetRequiredValue(files))
            {
                foreach (var certificate in CertificateFiles.ParseCertificates(await File.ReadAllBytesAsync(file, cancellationToken)))
                {
                    // Others, such as the CA's own, are passed over.
                    var publicKey = Convert.ToHexString(certificate.PublicKey.ExportSubjectPublicKeyInfo());
                    if (!waiting.TryGetValue(publicKey, out var request))
                        continue;
                    if (await TakeAsync(ca, work, certificate, request, cancellationToken) is { } refusal)
                    {
                        refused++;
                        await Console.Error.WriteLineAsync($"{file}: not taken as {request.View.Use} of {request.View.Name}: {refusal}");
                        continue;
                    }
                    taken++;
                    waiting.Remove(publicKey);
                    Console.WriteLine($"{file}: {request.View.Use} of {request.View.Name}, until {certificate.NotAfter.ToUniversalTime():yyyy-MM-dd}");
                }
            }
            if (taken + refused == 0)
                throw new AdministrationException("No certificate in it is for a key that waits; 'kdc ca requests' lists those.");
            Console.WriteLine(waiting.Count == 0 ? "No request waits any more." : $"{waiting.Count} requests wait.");
            return refused == 0 ? ExitCode.Success : ExitCode.Problem;
        });
    }

    /// <returns>Null where it is on record now; else why not.</returns>
    private static async Task<string?> TakeAsync(
        ExternalAuthority ca, OperatorWork work, X509Certificate2 certificate, (CardRecord Card, CardKeyRecord Key, RequestView View) request, CancellationToken cancellationToken)
    {
        // Read anew: each certificate changes its card's record.
        var card = await work.Keys.Database.Cards.FindAsync(request.Card.Id, cancellationToken);
        var key = card?.Keys.FirstOrDefault(k => k.PublicKey.Span.SequenceEqual(request.Key.PublicKey.Span) && IsWaiting(k));
        if (card is not { Standing: CardStanding.Issuing } || key is null)
            return "The card's issuing went another way meanwhile.";
        try
        {
            var now = TimeProvider.System.GetUtcNow();
            var holder = await HolderAsync(work, card, cancellationToken);
            if (holder.Objection(now) is { } objection)
                return $"{holder.Name} {objection}.";
            await ca.AcceptAsync(certificate, key.PublicKey, CardCertificates.OrderFor(card, key, holder, OperatorWork.Actor, now), cancellationToken);
            return null;
        }
        catch (CertificateRefusedException e)
        {
            return e.Message;
        }
    }

    private static bool IsWaiting(CardKeyRecord key) => key is { Request.IsEmpty: false, Certificate: null };

    private static async Task<List<(CardRecord Card, CardKeyRecord Key, RequestView View)>> WaitingAsync(OperatorWork work, CancellationToken cancellationToken)
    {
        var found = new List<(CardRecord, CardKeyRecord, RequestView)>();
        foreach (var card in await work.Keys.Database.Cards.InStandingAsync(CardStanding.Issuing, cancellationToken))
        {
            var holder = await HolderAsync(work, card, cancellationToken);
            foreach (var key in card.Keys.Where(IsWaiting))
            {
                var order = CardCertificates.OrderFor(card, key, holder, OperatorWork.Actor, TimeProvider.System.GetUtcNow());
                found.Add((card, key, RequestView.Of(card, key, order)));
            }
        }
        return found;
    }

    private static async Task WriteAsync(string folder, List<(CardRecord Card, CardKeyRecord Key, RequestView View)> waiting, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(folder);
        var lines = new List<string> { "file,use,name,addresses,key-usage,extended-key-usage,until" };
        foreach (var (_, key, view) in waiting)
        {
            await File.WriteAllTextAsync(Path.Combine(folder, view.File), PemEncoding.WriteString("CERTIFICATE REQUEST", key.Request.Span) + "\n", cancellationToken);
            lines.Add(string.Join(',', new[]
            {
                view.File, view.Use, view.Name, string.Join(' ', view.Addresses), view.KeyUsage, view.ExtendedKeyUsage,
                view.Until?.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture) ?? "",
            }.Select(f => $"\"{f.Replace("\"", "\"\"", StringComparison.Ordinal)}\"")));
        }
        await File.WriteAllLinesAsync(Path.Combine(folder, "requests.csv"), lines, cancellationToken);
    }

    private static async Task<Principal> HolderAsync(OperatorWork work, CardRecord card, CancellationToken cancellationToken) =>
        await work.Keys.Database.Principals.FindAsync(card.Holder, cancellationToken) ?? throw new AdministrationException("The card's holder is gone.");

    private static ExternalAuthority Demand(OperatorWork work) =>
        work.OpenExternalCa() ?? throw new AdministrationException("No CA elsewhere is configured: 'ca: external' in kdc.yaml names its certificate (docs/ca.md).");

    /// <summary>A request that waits, and what its certificate has to say.</summary>
    private sealed record RequestView(
        string File, string Use, string Name, string[] Addresses, string KeyUsage, string ExtendedKeyUsage, DateTimeOffset? Until, string Card, string Serial)
    {
        public static RequestView Of(CardRecord card, CardKeyRecord key, CertificateOrder order)
        {
            var (usage, extended) = ExternalAuthority.WantedUsage(order.Use, key.PublicKey.Span);
            var use = CaCommands.WordOf(order.Use);
            var mark = Convert.ToHexStringLower(SHA256.HashData(key.PublicKey.Span))[..8];
            // An address may have characters that a file's name can't.
            var address = string.Concat(card.Order.Address.ToString().Select(c => char.IsLetterOrDigit(c) || c is '@' or '.' or '-' or '_' ? c : '_'));
            return new RequestView(
                $"{address}-{use}-{mark}.csr", use, order.Name, [.. order.Addresses.Select(a => a.ToString())], usage, extended, order.Until, card.Id.ToString(), card.Order.Serial);
        }
    }
}
