using System.CommandLine;
using System.Globalization;
using System.Security.Cryptography;
using GatewaySecure.Addresses;
using GatewaySecure.CertificateAuthority;
using GatewaySecure.KdcCore;
using GatewaySecure.KdcServer.Configuration;
using GatewaySecure.KdcServer.Hosting;
using GatewaySecure.KdcServer.Operators;

namespace GatewaySecure.KdcServer.Commands;

/// <summary>
/// What an operator does at the KDC's own machine: on its database and vault, also while the server runs, which sees each change at its next
/// request. Every change stands in the audit under the operator's name on this machine.
/// </summary>
internal sealed class OperatorWork : IAsyncDisposable
{
    private OperatorWork(KdcServerConfiguration configuration, KdcKeys keys, KdcState state)
    {
        (Configuration, Keys, State) = (configuration, keys, state);
        Administration = keys.Administration(configuration, Actor, TimeProvider.System);
    }

    public static string Actor => "kdc:" + Environment.UserName;

    public KdcServerConfiguration Configuration { get; }

    public KdcKeys Keys { get; }

    public KdcState State { get; }

    public KdcAdministration Administration { get; }

    /// <summary>Opens configuration and state, does the work, and turns what can go wrong into one sentence and a status.</summary>
    public static async Task<int> DoAsync(string configFile, string stateDirectory, Func<OperatorWork, Task<int>> work, CancellationToken cancellationToken)
    {
        if (CommonOptions.Load(configFile, warnings: false) is not { } configuration)
            return ExitCode.Problem;
        try
        {
            var state = KdcState.Open(stateDirectory);
            await using var session = new OperatorWork(configuration, await KdcKeys.OpenAsync(state, configuration.Vault, cancellationToken), state);
            return await work(session);
        }
        catch (Exception e) when (e is AdministrationException or CertificateRefusedException or StaleRecordException or IOException or UnauthorizedAccessException
            or CryptographicException or InvalidDataException or FormatException)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return ExitCode.Problem;
        }
    }

    /// <summary>Null where there is no CA yet. The caller disposes it.</summary>
    public IssuingCa? OpenCa() => IssuingCa.Open(Keys, Configuration, State, TimeProvider.System);

    /// <summary>Null where none is configured.</summary>
    public ExternalAuthority? OpenExternalCa() => Configuration.ExternalCa is { } file ? ExternalCa.Open(file, Keys, TimeProvider.System) : null;

    /// <summary>Of whoever certifies here; null where nobody does.</summary>
    /// <param name="ca">From <see cref="OpenCa"/>.</param>
    public ICertificateStanding? StandingOf(IssuingCa? ca) => new CardAuthority(ca?.Authority, OpenExternalCa()).Standing;

    /// <summary>By id, by a mail address it holds now, or by the name of exactly one that is not deleted.</summary>
    /// <exception cref="AdministrationException">There is none, or more than one.</exception>
    public async Task<Principal> FindAsync(string who, CancellationToken cancellationToken)
    {
        if (PrincipalId.TryParse(who, out var id) && await Keys.Database.Principals.FindAsync(id, cancellationToken) is { } byId)
            return byId;
        if (MailAddress.TryParse(who, out var address) && await Administration.FindAsync(address, cancellationToken) is { } holder)
            return holder;
        var named = (await Administration.ListAsync(cancellationToken)).Where(p => p.Name == who && p.DeletedAt is null).ToList();
        return named switch
        {
            [var only] => only,
            [] => throw new AdministrationException($"There is no principal '{who}': give an id, a mail address or a name; 'kdc principal list' shows them."),
            _ => throw new AdministrationException($"{named.Count} principals are called '{who}'; give the id or the address."),
        };
    }

    public ValueTask DisposeAsync() => Keys.DisposeAsync();

    /// <summary><c>2027-01-31</c> (begins at midnight UTC), a time with zone, or <c>now</c>.</summary>
    /// <exception cref="FormatException">It is neither.</exception>
    public static DateTimeOffset Date(string text) =>
        text == "now" ? TimeProvider.System.GetUtcNow()
        : DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time
        : throw new FormatException($"'{text}' is not a date such as 2027-01-31 or 2027-01-31T12:00:00Z.");
}
