using GatewaySecure.Gateway.Hosting;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.HsmAdapter;

namespace GatewaySecure.Gateway.Commands;

/// <summary>Opens a running gateway's spool for looking.</summary>
internal static class SpoolAccess
{
    /// <exception cref="DirectoryNotFoundException">It is not a gateway's state directory.</exception>
    public static (string Directory, ISpoolKey Key) Open(string stateDirectory)
    {
        if (!File.Exists(Path.Combine(stateDirectory, StateDirectory.DatabaseName)))
            throw new DirectoryNotFoundException($"{stateDirectory} is not a gateway's state directory. Give it with --state.");
        var state = StateDirectory.Open(stateDirectory);
        return (state.Spool, new VaultSpoolKey(SoftwareVault.OpenOrCreate(state.Root).Spool));
    }
}
