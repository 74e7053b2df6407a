using System.CommandLine;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Addresses;
using GatewaySecure.Cards;
using GatewaySecure.KdcCore;
using GatewaySecure.SmartCard;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.CardEnrollment.Commands;

/// <summary><c>cardstation trial</c>: without operator and server, on a state directory with a software vault. Nothing that is begun can be gone on with.</summary>
internal static class TrialCommands
{
    public static Command Create()
    {
        var state = new Option<string>("--state") { Description = "The state directory of a gateway or KDC, with a software vault.", Required = true };
        var address = new Option<string>("--address") { Description = "The card holder's mail address.", Required = true };
        return new Command("trial", "FOR TRIALS: without operator and server, beside a software vault.") { Issue(state, address), List(state), Revoke(state, address) };
    }

    private static Command Issue(Option<string> state, Option<string> address)
    {
        var name = new Option<string?>("--name") { Description = "The card holder's name; without it the address." };
        var realm = new Option<string?>("--realm") { Description = "The KDC's realm; without it the address's domain." };
        var pinFile = new Option<string?>("--pin-file") { Description = "First line: the user's PIN (at least 6 characters); without it a random one." };
        var adminPinFile = new Option<string?>("--admin-pin-file") { Description = "First line: the card's present administrator PIN (PIV: management key in hexadecimal); without it the factory's." };
        var codeFile = new Option<string?>("--code-file") { Description = "First line: a PIV card's present PUK; without it 12345678." };
        var algorithm = new Option<CardKeyAlgorithm>("--algorithm") { Description = "Of the card's keys.", DefaultValueFactory = _ => CardKeyAlgorithm.Rsa3072 };
        var letterFile = new Option<string?>("--letter") { Description = "File for the new PINs, readable by you alone; without it they are printed." };
        var caCertificate = new Option<string?>("--ca-cert") { Description = "PEM: certifies the card's decipher key for S/MIME." };
        var caKey = new Option<string?>("--ca-key") { Description = "PEM: the private key to --ca-cert." };
        var certificateOut = new Option<string?>("--certificate-out") { Description = "PEM file for the card's certificate, for senders." };
        var issue = new Command("issue", "Issues a card: keys, PINs, master key, identity.")
        {
            state, address, algorithm, codeFile, name, realm, pinFile, adminPinFile, letterFile, caCertificate, caKey, certificateOut,
        }.WithCard();
        issue.SetAction((parse, cancellationToken) => Guard.RunAsync(async () =>
        {
            var holder = MailAddress.Parse(parse.GetRequiredValue(address));
            await using var station = await StationState.OpenAsync(parse.GetRequiredValue(state), cancellationToken);
            using var card = CardConnection.Open(StationOptions.Card(parse));
            using var authority = Authority(parse.GetValue(caCertificate), parse.GetValue(caKey));
            var order = new TrialOrder(
                holder,
                parse.GetValue(name) ?? holder.ToString(),
                FirstLine(parse.GetValue(adminPinFile)) ?? (card.Card.Kind == CardKind.Piv ? VirtualPivCard.DefaultManagementKey : VirtualOpenPgpCard.DefaultAdminPin),
                FirstLine(parse.GetValue(pinFile)),
                authority is null ? null : new CardAuthority(authority))
            {
                UnblockingCode = FirstLine(parse.GetValue(codeFile)) ?? VirtualPivCard.DefaultUnblockingPin,
                Algorithm = parse.GetValue(algorithm),
                RealmKey = station.RealmPublicKey,
            };
            var administration = station.Administration(Realm.Parse(parse.GetValue(realm) ?? holder.Domain.Ascii), TimeProvider.System);
            var issued = await new CardIssuing(administration, TimeProvider.System)
                .IssueAsync(card.Card, order, letter => Letters.Deliver(letter, parse.GetValue(letterFile)), cancellationToken);
            Console.WriteLine($"Card {issued.Serial} issued to {holder}: principal {issued.Principal.Id}, key version {issued.Principal.Kvno}.");
            Console.WriteLine(issued.KeyLeftVault
                ? $"The master key came from the {station.VaultDescription}, and went to the card in clear; the audit says so."
                : $"The card's key for tickets never leaves it (ECDH, not post-quantum); the realm's key is in the {station.VaultDescription}.");
            if (issued.Certificate is { } certificate && parse.GetValue(certificateOut) is { } path)
                await File.WriteAllTextAsync(path, certificate.ExportCertificatePem(), cancellationToken);
            return ExitStatus.Done;
        }));
        return issue;
    }

    private static Command List(Option<string> state)
    {
        var list = new Command("list", "Lists the principals.") { state };
        list.SetAction((parse, cancellationToken) => Guard.RunAsync(async () =>
        {
            await using var station = await StationState.OpenAsync(parse.GetRequiredValue(state), cancellationToken);
            // The realm names no record; any will do for reading.
            foreach (var p in await station.Administration(Realm.Parse("localhost"), TimeProvider.System).ListAsync(cancellationToken))
            {
                var addresses = string.Join(", ", p.Addresses.Where(a => a.IsHeldAt(TimeProvider.System.GetUtcNow())).Select(a => a.Address));
                Console.WriteLine($"{p.Id}  {p.Kind,-8} {p.Status,-9} kvno {p.Kvno}  {p.Name}  {addresses}");
            }
            return ExitStatus.Done;
        }));
        return list;
    }

    private static Command Revoke(Option<string> state, Option<string> address)
    {
        var revoke = new Command("revoke", "Revokes the holder of an address, for ever.") { state, address, StationOptions.Reason };
        revoke.SetAction((parse, cancellationToken) => Guard.RunAsync(async () =>
        {
            var holder = MailAddress.Parse(parse.GetRequiredValue(address));
            await using var station = await StationState.OpenAsync(parse.GetRequiredValue(state), cancellationToken);
            var administration = station.Administration(Realm.Parse(holder.Domain.Ascii), TimeProvider.System);
            var principal = await administration.FindAsync(holder, cancellationToken)
                ?? throw new AdministrationException($"Nobody holds {holder}.");
            await administration.RevokeAsync(principal.Id, parse.GetRequiredValue(StationOptions.Reason), cancellationToken);
            Console.WriteLine($"{holder} ({principal.Id}) is revoked: no ticket is issued to it or for it any more.");
            return ExitStatus.Done;
        }));
        return revoke;
    }

    private static string? FirstLine(string? path) => path is null ? null : File.ReadLines(path).FirstOrDefault() is { Length: > 0 } line ? line
        : throw new IOException($"{path} has no PIN in its first line.");

    private static X509Certificate2? Authority(string? certificate, string? key) => (certificate, key) switch
    {
        (null, null) => null,
        (not null, not null) => X509Certificate2.CreateFromPemFile(certificate, key),
        _ => throw new FormatException("--ca-cert and --ca-key go together."),
    };
}
