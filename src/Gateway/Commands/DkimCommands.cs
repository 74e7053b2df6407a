using System.CommandLine;
using System.Text;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Hosting;
using GatewaySecure.MailAuthentication.Dkim;

namespace GatewaySecure.Gateway.Commands;

/// <summary><c>gateway dkim</c>: keys to sign outgoing mail with.</summary>
internal static class DkimCommands
{
    /// <summary>One character string of a TXT record holds no more (RFC 1035 §3.3.14).</summary>
    private const int LongestString = 255;

    public static Command Create() => new("dkim", "Keys that outgoing mail is signed with.") { CreateKey(), CreateCheck() };

    private static Command CreateKey()
    {
        var domain = new Option<string>("--domain") { Description = "The domain of the From addresses.", Required = true };
        var selector = new Option<string>("--selector") { Description = "A name for this key, such as the year.", Required = true };
        var type = new Option<string>("--type") { Description = "rsa (2048 bits) or ed25519.", DefaultValueFactory = _ => "rsa" };
        type.AcceptOnlyFromAmong("rsa", "ed25519");
        var file = new Option<string?>("--file") { Description = "Where the private key goes; default: SELECTOR.DOMAIN.pem." };
        var command = new Command("key", """
            Makes a key and prints the DNS record that belongs to it.
            Publish the record, wait until 'gateway dkim check' finds it, then name the key under 'dkim' in the configuration.

            Example:
              gateway dkim key --domain example.org --selector 2026
            """)
        { domain, selector, type, file };
        command.SetAction(parsed => MakeKey(
            parsed.GetValue(domain)!, parsed.GetValue(selector)!, parsed.GetValue(type) == "rsa" ? DkimKeyType.Rsa : DkimKeyType.Ed25519, parsed.GetValue(file)));
        return command;
    }

    private static int MakeKey(string domainText, string selector, DkimKeyType type, string? file)
    {
        if (!DomainName.TryParse(domainText, out var domain) || !DkimSigningKey.IsSelector(selector))
        {
            Console.Error.WriteLine($"'{domainText}' must be a domain name, and '{selector}' a name of letters, digits, hyphens and dots.");
            return ExitCode.Problem;
        }
        file ??= $"{selector}.{domain.Ascii}.pem";
        var pem = DkimSigningKey.CreatePem(type);
        using var key = DkimSigningKey.FromPem(domain, selector, pem);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        try
        {
            using var stream = new FileStream(file, options);
            stream.Write(Encoding.ASCII.GetBytes(pem));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine($"The key was not kept: {e.Message}");
            return ExitCode.Problem;
        }
        Console.Error.WriteLine($"The private key is in {file}: only the gateway may read it.");
        Console.WriteLine($"{key.RecordName}. IN TXT {string.Join(' ', key.Record.Chunk(LongestString).Select(c => $"\"{new string(c)}\""))}");
        return ExitCode.Success;
    }

    private static Command CreateCheck()
    {
        var config = CommonOptions.Config();
        var domain = new Argument<string>("DOMAIN");
        var selector = new Argument<string>("SELECTOR");
        var command = new Command("check", """
            Looks up the record of a key in the configuration and compares the two. Exits with 0 where they fit.

            Example:
              gateway dkim check --config gateway.yaml example.org 2026
            """)
        { config, domain, selector };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            if (CommonOptions.Load(parsed.GetValue(config)!) is not { } configuration)
                return ExitCode.Problem;
            var name = DomainName.TryParse(parsed.GetValue(domain), out var parsedName) ? parsedName : null;
            var wanted = configuration.Dkim.FirstOrDefault(k => k.Domain.Equals(name) && k.Selector == parsed.GetValue(selector));
            if (wanted is null)
            {
                Console.Error.WriteLine($"There is no key of {parsed.GetValue(domain)} with selector {parsed.GetValue(selector)} under 'dkim' in the configuration.");
                return ExitCode.Problem;
            }
            using var key = DkimSigningKey.FromPem(wanted.Domain, wanted.Selector, await File.ReadAllTextAsync(wanted.KeyFile, cancellationToken));
            var objection = await key.CheckPublishedAsync(configuration.Resolver(TimeProvider.System), cancellationToken);
            Console.WriteLine(objection is null ? $"{key.RecordName} holds the public half of {wanted.KeyFile}." : $"{key.RecordName}: {objection}.");
            return objection is null ? ExitCode.Success : ExitCode.Problem;
        });
        return command;
    }
}
