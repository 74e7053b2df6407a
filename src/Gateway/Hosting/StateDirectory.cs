using GatewaySecure.ServerHost;

namespace GatewaySecure.Gateway.Hosting;

/// <summary>
/// Where a gateway keeps what must outlive it, readable by its own user only. One gateway owns it at a time: a lock file held
/// open says so, and goes with the process however that ends.
/// </summary>
internal sealed class StateDirectory
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    public const string DatabaseName = "gatewaysecure.db";

    private StateDirectory(string root) => Root = root;

    public string Root { get; }

    public string Spool => Path.Combine(Root, "spool");

    /// <summary>Where the running gateway takes commands.</summary>
    public string ControlSocket => Path.Combine(Root, "control.sock");

    /// <summary>Requests that wait for a second person.</summary>
    public string Requests => Path.Combine(Root, "requests");

    public string Database => Path.Combine(Root, DatabaseName);

    /// <summary>The gateway's own key at a KDC that runs elsewhere, wrapped by the vault.</summary>
    public string KdcEnrolment => Path.Combine(Root, "kdc-enrolment.json");

    /// <summary>MTA-STS policies in force.</summary>
    public string MtaSts => Path.Combine(Root, "mta-sts");

    /// <summary>Counts for the daily TLS reports.</summary>
    public string TlsReports => Path.Combine(Root, "tls-reports");

    /// <summary>Recipients' certificates, where the configuration names no other folder.</summary>
    public string Recipients => Path.Combine(Root, "certificates", "recipients");

    public string Anchors => Path.Combine(Root, "certificates", "trust");

    public string RevocationLists => Path.Combine(Root, "certificates", "crls");

    /// <summary>CRLs that were fetched.</summary>
    public string FetchedLists => Path.Combine(Root, "revocation", "lists");

    /// <summary>OCSP answers that were fetched.</summary>
    public string FetchedAnswers => Path.Combine(Root, "revocation", "answers");

    /// <summary>What people were told of certificates and outages.</summary>
    public string Told => Path.Combine(Root, "revocation", "told.json");

    /// <summary>When jobs run next, and how they went.</summary>
    public string Jobs => Path.Combine(Root, "jobs.db");

    public string OrganisationCertificate => Path.Combine(Root, "certificates", "organisation.pem");

    public string TlsCertificate => Path.Combine(Root, "certificates", "tls-trial.pem");

    /// <summary>Its paths only: nothing is made.</summary>
    public static StateDirectory At(string path) => new(Path.GetFullPath(path));

    public static StateDirectory Open(string path)
    {
        var state = At(path);
        foreach (var folder in new[] { state.Root, state.Spool, state.Recipients, state.Anchors, state.RevocationLists, state.FetchedLists, state.FetchedAnswers })
        {
            if (OperatingSystem.IsWindows())
                Directory.CreateDirectory(folder);
            else
                Directory.CreateDirectory(folder, OwnerOnly);
        }
        return state;
    }

    /// <exception cref="IOException">Another gateway runs on this state directory.</exception>
    public IDisposable Lock() => StateLock.Take(Root, "gateway");
}
