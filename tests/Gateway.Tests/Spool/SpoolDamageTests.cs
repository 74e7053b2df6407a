using GatewaySecure.Gateway.Spool;

namespace GatewaySecure.Gateway.Tests.Spool;

public sealed class SpoolDamageTests
{
    private const int SealedChunk = (64 << 10) + 16;

    /// <summary>Magic, length, and the key as the tests' spool key wraps it.</summary>
    private const int ContentOffset = 10 + 60;

    [Fact]
    public async Task A_file_cut_at_any_length_is_set_aside()
    {
        using var bench = new SpoolBench();
        var item = await bench.PutAsync(SpoolBench.Random(50));
        var whole = await File.ReadAllBytesAsync(bench.MailFile(item), SpoolBench.Cancel);
        for (var length = 0; length < whole.Length; length++)
        {
            var recovered = bench.RecoverWith(bench.MailFile(item), whole[..length]);
            Assert.Empty(recovered.Items);
            Assert.Single(recovered.SetAside);
            Assert.Equal(whole[..length], await File.ReadAllBytesAsync(Assert.Single(Directory.GetFiles(bench.Aside)), SpoolBench.Cancel));
        }
        Assert.Single(bench.RecoverWith(bench.MailFile(item), whole).Items);
    }

    [Fact]
    public async Task Any_altered_octet_is_noticed_before_a_wrong_one_comes_out()
    {
        using var bench = new SpoolBench();
        var item = await bench.PutAsync(SpoolBench.Random(50));
        var whole = await File.ReadAllBytesAsync(bench.MailFile(item), SpoolBench.Cancel);
        var refusedAtReading = 0;
        for (var i = 0; i < whole.Length; i++)
        {
            foreach (var bit in new[] { 0x01, 0x80 })
            {
                var altered = whole.ToArray();
                altered[i] ^= (byte)bit;
                var recovered = bench.RecoverWith(bench.MailFile(item), altered);
                if (recovered.Items.IsEmpty)
                {
                    Assert.Single(recovered.SetAside);
                    continue;
                }
                var (octets, refused) = SpoolBench.ReadUntilRefused(recovered.Items[0]);
                Assert.True(refused, $"octet {i}");
                Assert.Empty(octets);
                refusedAtReading++;
            }
        }
        Assert.Equal(2 * (50 + 16), refusedAtReading);
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 0)]
    [InlineData(2, 1)]
    public async Task A_chunk_in_the_place_of_another_is_refused(int from, int to)
    {
        using var bench = new SpoolBench();
        var content = SpoolBench.Random(4 * (64 << 10));
        var item = await bench.PutAsync(content);
        var octets = await File.ReadAllBytesAsync(bench.MailFile(item), SpoolBench.Cancel);
        var a = octets.AsSpan(ContentOffset + (from * SealedChunk), SealedChunk);
        a.CopyTo(octets.AsSpan(ContentOffset + (to * SealedChunk)));
        var (read, refused) = SpoolBench.ReadUntilRefused(Assert.Single(bench.RecoverWith(bench.MailFile(item), octets).Items));
        Assert.True(refused);
        Assert.Equal(content[..(to * (64 << 10))], read);
    }

    [Fact]
    public async Task Swapped_chunks_are_refused()
    {
        using var bench = new SpoolBench();
        var item = await bench.PutAsync(SpoolBench.Random(3 * (64 << 10)));
        var octets = await File.ReadAllBytesAsync(bench.MailFile(item), SpoolBench.Cancel);
        var first = octets[ContentOffset..(ContentOffset + SealedChunk)];
        octets.AsSpan(ContentOffset + SealedChunk, SealedChunk).CopyTo(octets.AsSpan(ContentOffset));
        first.CopyTo(octets, ContentOffset + SealedChunk);
        var (read, refused) = SpoolBench.ReadUntilRefused(Assert.Single(bench.RecoverWith(bench.MailFile(item), octets).Items));
        Assert.True(refused);
        Assert.Empty(read);
    }

    [Fact]
    public async Task A_content_without_its_last_chunk_is_set_aside_even_where_the_lengths_fit()
    {
        using var bench = new SpoolBench();
        var item = await bench.PutAsync(SpoolBench.Random(2 * (64 << 10)));
        var octets = await File.ReadAllBytesAsync(bench.MailFile(item), SpoolBench.Cancel);
        byte[] cut = [.. octets[..(ContentOffset + SealedChunk)], .. octets[(ContentOffset + (2 * SealedChunk))..]];
        // The trailer's content length, 20 octets before the end: from 0x20000 to 0x10000.
        cut[^15] = 1;
        Assert.Equal(2, octets[^15]);
        Assert.Single(bench.RecoverWith(bench.MailFile(item), cut).SetAside);
    }

    [Fact]
    public async Task Items_that_changed_names_are_set_aside()
    {
        using var bench = new SpoolBench();
        var one = bench.MailFile(await bench.PutAsync([1]));
        var two = bench.MailFile(await bench.PutAsync([2]));
        File.Move(one, one + ".x");
        File.Move(two, one);
        File.Move(one + ".x", two);
        var recovered = bench.Reopen().Recover();
        Assert.Empty(recovered.Items);
        Assert.Equal(2, recovered.SetAside.Length);
    }

    [Fact]
    public async Task Journals_that_changed_names_set_their_items_aside()
    {
        using var bench = new SpoolBench();
        var one = await bench.PutAsync([1]);
        var two = await bench.PutAsync([2]);
        await one.RecordAsync([(0, RecipientStatus.New with { State = RecipientState.Delivered })], durable: true, SpoolBench.Cancel);
        File.Move(bench.LogFile(one), bench.LogFile(two));
        var recovered = bench.Reopen().Recover();
        Assert.Equal(one.Id, Assert.Single(recovered.Items).Id);
        Assert.Single(recovered.SetAside);
    }

    [Fact]
    public async Task Another_spool_key_sets_aside_and_deletes_nothing()
    {
        using var bench = new SpoolBench();
        var item = await bench.PutAsync([1, 2, 3]);
        await item.RecordAsync([(0, RecipientStatus.New)], durable: true, SpoolBench.Cancel);
        var recovered = MailSpool.Open(bench.Root, new TestSpoolKey(), bench.Options, TimeProvider.System).Recover();
        Assert.Empty(recovered.Items);
        Assert.Single(recovered.SetAside);
        Assert.Equal([item.Id + ".log", item.Id + ".mail"], Directory.GetFiles(bench.Aside).Select(Path.GetFileName).Order());

        foreach (var file in Directory.GetFiles(bench.Aside))
            File.Move(file, Path.Combine(bench.Queue, Path.GetFileName(file)));
        Assert.Equal([1, 2, 3], SpoolBench.ReadAll(Assert.Single(bench.Reopen().Recover().Items)));
    }

    [Fact]
    public async Task Content_altered_after_recovery_is_refused_while_reading()
    {
        using var bench = new SpoolBench();
        var content = SpoolBench.Random(200_000);
        var item = await bench.PutAsync(content);
        item.ReleaseMemory();
        var octets = await File.ReadAllBytesAsync(bench.MailFile(item), SpoolBench.Cancel);
        octets[ContentOffset + SealedChunk + 5] ^= 4;
        await File.WriteAllBytesAsync(bench.MailFile(item), octets, SpoolBench.Cancel);
        await using var stream = item.Content.OpenRead();
        var first = new byte[64 << 10];
        await stream.ReadExactlyAsync(first, SpoolBench.Cancel);
        Assert.Equal(content[..(64 << 10)], first);
        var next = new byte[10];
        await Assert.ThrowsAsync<InvalidDataException>(() => stream.ReadAsync(next, SpoolBench.Cancel).AsTask());
        Assert.All(next, octet => Assert.Equal(0, octet));
    }
}
