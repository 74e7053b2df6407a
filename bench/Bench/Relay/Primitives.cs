using System.Diagnostics;
using System.Security.Cryptography;
using GatewaySecure.Bench.Smime;

namespace GatewaySecure.Bench.Relay;

/// <summary>
/// What signing, encrypting and keeping a mail can't do without, each measured alone: the mail from source to sink over loopback,
/// its octets written and flushed, and the primitives of its protection.
/// </summary>
internal sealed class Primitives(WorkDirectory work, EvpProgram evp, RelaySide sourceToSink)
{
    /// <summary>What is encrypted beyond the body: header, signature, certificate, MIME structure.</summary>
    private const int Around = 3000;

    /// <returns>Seconds a mail from the source straight into the sink.</returns>
    public async Task<double> LoopbackAsync(int size, int sessions, int messages) =>
        await sourceToSink.RunAsync(size, sessions, messages) / messages;

    /// <returns>Seconds a mail: as many writers as sessions, each with a new file that is written, flushed and removed.</returns>
    public async Task<double> FlushAsync(int size, int writers, int files)
    {
        var folder = Directory.CreateDirectory(work["flush"]).FullName;
        var octets = RandomNumberGenerator.GetBytes(size);
        var left = files;
        var begin = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, writers).Select(writer => Task.Factory.StartNew(
            () =>
            {
                var path = Path.Combine(folder, $"{writer}");
                while (Interlocked.Decrement(ref left) >= 0)
                {
                    using (var file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write))
                    {
                        RandomAccess.Write(file, octets, 0);
                        RandomAccess.FlushToDisk(file);
                    }
                    File.Delete(path);
                }
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default)));
        return Stopwatch.GetElapsedTime(begin).TotalSeconds / files;
    }

    /// <returns>Seconds of one processor a mail: SHA-256, signature, key transport, AES-256-CBC and base64, in C.</returns>
    public async Task<double> ProtectAsync(int size, int messages) => await evp.MeasureAsync(size, size + Around, messages) / 1e6;
}
