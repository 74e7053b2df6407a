namespace GatewaySecure.ServerHost;

/// <summary>One server owns a state directory at a time: a lock file held open says so, and goes with the process however that ends.</summary>
public static class StateLock
{
    /// <param name="server">Such as <c>gateway</c>; names the file, and stands in the message.</param>
    /// <exception cref="IOException">Another such server runs on this state directory.</exception>
    public static IDisposable Take(string root, string server)
    {
        try
        {
            return new FileStream(Path.Combine(root, server + ".lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e)
        {
            throw new IOException($"Another {server} runs on {root}. Stop it, or give this one another --state.", e);
        }
    }
}
