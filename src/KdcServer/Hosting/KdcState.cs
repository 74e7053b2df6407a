namespace GatewaySecure.KdcServer.Hosting;

/// <summary>Where a KDC keeps what must outlive it, readable by its own user only. The layout is the one that <c>cardstation --state</c> opens.</summary>
internal sealed class KdcState
{
    private KdcState(string root) => Root = root;

    public string Root { get; }

    public string Database => Path.Combine(Root, "gatewaysecure.db");

    /// <summary>Signed heads of the audit chain, where the configuration names no other file.</summary>
    public string AuditAnchors => Path.Combine(Root, "audit-anchors.jsonl");

    /// <summary>The issuing CA's certificate, and what stands above it in the same file.</summary>
    public string CaCertificate => Path.Combine(Root, "ca.pem");

    public string OcspCertificate => Path.Combine(Root, "ca-ocsp.pem");

    public string TrialTlsCertificate => Path.Combine(Root, "tls-trial.pem");

    /// <summary>Its paths only: nothing is made.</summary>
    public static KdcState At(string path) => new(Path.GetFullPath(path));

    public static KdcState Open(string path)
    {
        var state = At(path);
        if (OperatingSystem.IsWindows())
            Directory.CreateDirectory(state.Root);
        else
            Directory.CreateDirectory(state.Root, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return state;
    }
}
