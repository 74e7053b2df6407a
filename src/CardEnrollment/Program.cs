using System.CommandLine;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Addresses;
using GatewaySecure.CardEnrollment;
using GatewaySecure.Cards;
using GatewaySecure.KdcCore;
using GatewaySecure.SmartCard;
using GatewaySecure.VirtualCard;

var state = new Option<string>("--state") { Description = "The gateway's state directory.", Required = true };
var address = new Option<string>("--address") { Description = "The card holder's mail address.", Required = true };
var reader = new Option<string?>("--reader") { Description = "PC/SC reader; without it the first one that has a card." };
var virtualCard = new Option<string?>("--virtual-card") { Description = "File of a virtual card (for trials)." };
var name = new Option<string?>("--name") { Description = "The card holder's name; without it the address." };
var realm = new Option<string?>("--realm") { Description = "The KDC's realm; without it the address's domain." };
var pinFile = new Option<string?>("--pin-file") { Description = "First line: the user's PIN (at least 6 characters); without it a random one." };
var adminPinFile = new Option<string?>("--admin-pin-file") { Description = "First line: the card's present administrator PIN (PIV: management key in hexadecimal); without it the factory's." };
var codeFile = new Option<string?>("--code-file") { Description = "First line: a PIV card's present PUK; without it 12345678." };
var algorithm = new Option<CardKeyAlgorithm>("--algorithm") { Description = "Of the card's keys.", DefaultValueFactory = _ => CardKeyAlgorithm.Rsa3072 };
var module = new Option<string?>("--module") { Description = "PKCS #11 module (a file); the card is a token of it." };
var token = new Option<string?>("--token") { Description = "Label of the token, where the module shows several." };
var letterFile = new Option<string?>("--letter") { Description = "File for the new PINs, readable by you alone; without it they are printed." };
var caCertificate = new Option<string?>("--ca-cert") { Description = "PEM: certifies the card's decipher key for S/MIME." };
var caKey = new Option<string?>("--ca-key") { Description = "PEM: the private key to --ca-cert." };
var certificateOut = new Option<string?>("--certificate-out") { Description = "PEM file for the card's certificate, for senders." };
var reason = new Option<string>("--reason") { Description = "Why; stands in the audit.", Required = true };
var port = new Option<int>("--port") { Description = "vpcd's port.", DefaultValueFactory = _ => VpcdClient.DefaultPort };
var file = new Argument<string>("FILE") { Description = "File of the virtual card." };
var kind = new Option<string>("--kind") { Description = "Which card: openpgp or piv.", DefaultValueFactory = _ => "openpgp" };
kind.AcceptOnlyFromAmong("openpgp", "piv");

var issue = new Command("issue", "Issues a card: keys, PINs, master key, identity.")
{
    state, address, reader, virtualCard, module, token, algorithm, codeFile, name, realm, pinFile, adminPinFile, letterFile, caCertificate, caKey, certificateOut,
};
issue.SetAction((parse, cancellationToken) => Guarded(async () =>
{
    var holder = MailAddress.Parse(parse.GetRequiredValue(address));
    await using var station = await StationState.OpenAsync(parse.GetRequiredValue(state), cancellationToken);
    using var card = CardConnection.Open(new CardChoice(parse.GetValue(reader), parse.GetValue(virtualCard), parse.GetValue(module), parse.GetValue(token)));
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
}));

var list = new Command("list", "Lists the principals.") { state };
list.SetAction((parse, cancellationToken) => Guarded(async () =>
{
    await using var station = await StationState.OpenAsync(parse.GetRequiredValue(state), cancellationToken);
    // The realm names no record; any will do for reading.
    foreach (var p in await station.Administration(Realm.Parse("localhost"), TimeProvider.System).ListAsync(cancellationToken))
    {
        var addresses = string.Join(", ", p.Addresses.Where(a => a.IsHeldAt(TimeProvider.System.GetUtcNow())).Select(a => a.Address));
        Console.WriteLine($"{p.Id}  {p.Kind,-8} {p.Status,-9} kvno {p.Kvno}  {p.Name}  {addresses}");
    }
}));

var show = new Command("show", "Shows a card, without a PIN.") { reader, virtualCard, module, token };
show.SetAction((parse, _) => Guarded(() =>
{
    using var access = CardConnection.Open(new CardChoice(parse.GetValue(reader), parse.GetValue(virtualCard), parse.GetValue(module), parse.GetValue(token)));
    using var session = access.Card.BeginSession();
    var card = access.Card.Describe();
    Console.WriteLine($"Card {card.Serial}, {card.Application}, AES slot: {(card.HasAesSlot ? "yes" : "no")}");
    Console.WriteLine("Tries left: " + string.Join(", ", card.Pins.Where(p => p.IsSet).Select(p => $"{PinWords.Name(p.Pin)} {p.TriesLeft?.ToString() ?? "?"}")));
    var identity = access.Card.ReadIdentity() is { } octets ? EnrolledCard.Decode(octets)?.Identity : null;
    Console.WriteLine(identity is null ? "Not issued." : $"Issued to {identity.Address}: principal {identity.Principal} of {identity.Realm}, key version {identity.Kvno}");
    return Task.CompletedTask;
}));

var revoke = new Command("revoke", "Revokes the holder of an address, for ever.") { state, address, reason };
revoke.SetAction((parse, cancellationToken) => Guarded(async () =>
{
    var holder = MailAddress.Parse(parse.GetRequiredValue(address));
    await using var station = await StationState.OpenAsync(parse.GetRequiredValue(state), cancellationToken);
    var administration = station.Administration(Realm.Parse(holder.Domain.Ascii), TimeProvider.System);
    var principal = await administration.FindAsync(holder, cancellationToken)
        ?? throw new AdministrationException($"Nobody holds {holder}.");
    await administration.RevokeAsync(principal.Id, parse.GetRequiredValue(reason), cancellationToken);
    Console.WriteLine($"{holder} ({principal.Id}) is revoked: no ticket is issued to it or for it any more.");
}));

var create = new Command("create", "Makes a virtual card, for trials.") { file, kind };
create.SetAction((parse, _) => Guarded(() =>
{
    var path = parse.GetRequiredValue(file);
    using IVirtualCard card = parse.GetValue(kind) == "piv" ? VirtualPivCard.Create(path) : VirtualOpenPgpCard.Create(path);
    var codes = card is VirtualPivCard
        ? $"PIN {VirtualPivCard.DefaultUserPin}, PUK {VirtualPivCard.DefaultUnblockingPin}, management key {VirtualPivCard.DefaultManagementKey}"
        : $"PINs: {VirtualOpenPgpCard.DefaultUserPin}, {VirtualOpenPgpCard.DefaultAdminPin}";
    Console.WriteLine($"Virtual card {card.Serial} FOR TRIALS. {codes}");
    return Task.CompletedTask;
}));
var plug = new Command("plug", "Plugs a virtual card into a running vpcd reader, until Ctrl-C.") { file, port };
plug.SetAction((parse, cancellationToken) => Guarded(async () =>
{
    using var card = VirtualCards.Open(parse.GetRequiredValue(file));
    await VpcdClient.RunAsync(card, parse.GetValue(port), () => Console.WriteLine($"Card {card.Serial} is in the reader. Ctrl-C removes it."), cancellationToken);
}));

var root = new RootCommand("cardstation: issues GatewaySecure cards. Exit status: 0 done, 1 failed with the reason, 2 usage.")
{
    issue, list, show, revoke, new Command("virtual-card", "Virtual cards, for trials.") { create, plug },
};
var parsed = root.Parse(args);
var status = await parsed.InvokeAsync();
return parsed.Errors.Count > 0 ? 2 : status;

static async Task<int> Guarded(Func<Task> action)
{
    try
    {
        await action();
        return 0;
    }
    catch (FormatException e)
    {
        Console.Error.WriteLine(e.Message);
        return 2;
    }
    catch (Exception e) when (e is CardException or AdministrationException or StaleRecordException or IOException or InvalidDataException
        or UnauthorizedAccessException or CryptographicException or ArgumentException)
    {
        Console.Error.WriteLine(e.Message);
        return 1;
    }
}

static string? FirstLine(string? path) => path is null ? null : File.ReadLines(path).FirstOrDefault() is { Length: > 0 } line
    ? line
    : throw new IOException($"{path} has no PIN in its first line.");

static X509Certificate2? Authority(string? certificate, string? key) => (certificate, key) switch
{
    (null, null) => null,
    (not null, not null) => X509Certificate2.CreateFromPemFile(certificate, key),
    _ => throw new FormatException("--ca-cert and --ca-key go together."),
};
