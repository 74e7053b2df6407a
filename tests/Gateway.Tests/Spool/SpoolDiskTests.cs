using GatewaySecure.Gateway.Spool;
using GatewaySecure.TestKit;

namespace GatewaySecure.Gateway.Tests.Spool;

public sealed class SpoolDiskTests
{
    [Theory]
    [InlineData(2_000)]
    [InlineData(1 << 20)]
    public async Task A_disk_that_fails_while_writing_leaves_nothing_and_works_again_later(int length)
    {
        using var bench = new SpoolBench();
        bench.Spool.BeforeWrite = () => throw new IOException("No space left on device");
        await Assert.ThrowsAsync<SpoolUnavailableException>(() => bench.PutAsync(new byte[length]));
        Assert.Empty(Directory.GetFiles(bench.Root, "*", SearchOption.AllDirectories));
        bench.Spool.BeforeWrite = null;
        await bench.PutAsync(new byte[length]);
        Assert.Single(bench.Reopen().Recover().Items);
    }

    [Fact]
    public void Below_the_reserve_nothing_begins()
    {
        using var bench = new SpoolBench(new SpoolOptions(MinimumFreeSpace: long.MaxValue));
        Assert.Throws<SpoolUnavailableException>(() => bench.Spool.Begin());
    }

    [Fact]
    public async Task A_full_disk_is_said_and_overcome()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess, "Mounting a small disk needs root on Linux.");
        using var folder = new TempDirectory();
        var mounted = await Tool.RunAsync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", folder.Path]);
        Assert.SkipUnless(mounted.ExitCode == 0, "This container may not mount a disk.");
        try
        {
            var key = new TestSpoolKey();
            var spool = MailSpool.Open(folder["spool"], key, new SpoolOptions(MinimumFreeSpace: 0), TimeProvider.System);
            var items = new List<SpooledMail>();
            SpoolUnavailableException? said = null;
            for (var i = 0; i < 200 && said is null; i++)
            {
                try
                {
                    items.Add(await PutAsync(spool, 100_000));
                }
                catch (SpoolUnavailableException e)
                {
                    said = e;
                }
            }
            Assert.NotNull(said);
            Assert.NotEmpty(items);
            await Assert.ThrowsAsync<SpoolUnavailableException>(() => PutAsync(spool, 1 << 20));
            Assert.Empty(Directory.GetFiles(Path.Combine(folder["spool"], "incoming")));

            items[0].Remove();
            await PutAsync(spool, 50_000);
            var recovered = MailSpool.Open(folder["spool"], key, new SpoolOptions(MinimumFreeSpace: 0), TimeProvider.System).Recover();
            Assert.Equal(items.Count, recovered.Items.Length);
            Assert.Empty(recovered.SetAside);
        }
        finally
        {
            await Tool.RunAsync("umount", [folder.Path]);
        }
    }

    private static async Task<SpooledMail> PutAsync(MailSpool spool, int length)
    {
        await using var writer = spool.Begin();
        await writer.WriteAsync(new byte[length], SpoolBench.Cancel);
        return await writer.CommitAsync(SpoolBench.Mail, SpoolBench.Cancel);
    }
}
