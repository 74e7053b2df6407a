using System.Security.Cryptography;
using GatewaySecure.KdcCore;
using GatewaySecure.TestKit;

namespace GatewaySecure.HsmAdapter.Tests;

public sealed class SoftwareVaultTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private string KeyFile => Path.Combine(_directory.Path, "vault", "vault-key.trial");

    [Fact]
    public void The_vault_says_that_it_is_for_trials()
    {
        using var vault = SoftwareVault.OpenOrCreate(_directory.Path);
        Assert.True(vault.IsForTrials);
        Assert.Equal("software vault, for trials", vault.Description);
        Assert.Contains("FOR TRIALS", File.ReadLines(KeyFile).First(), StringComparison.Ordinal);
    }

    [Fact]
    public void Key_files_are_for_their_owner_alone()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("Windows has no Unix modes.");
            return;
        }
        using var vault = SoftwareVault.OpenOrCreate(_directory.Path);
        vault.OrganisationEcdsaKey("org").Dispose();
        var files = Directory.GetFiles(Path.GetDirectoryName(KeyFile)!);
        Assert.Equal(2, files.Length);
        foreach (var file in files)
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        Assert.Equal(
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute,
            File.GetUnixFileMode(Path.GetDirectoryName(KeyFile)!));
    }

    [Fact]
    public void A_key_file_that_others_may_read_is_refused()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("Windows has no Unix modes.");
            return;
        }
        SoftwareVault.OpenOrCreate(_directory.Path).Dispose();
        File.SetUnixFileMode(KeyFile, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        Assert.Throws<InvalidDataException>(() => SoftwareVault.OpenOrCreate(_directory.Path));
    }

    [Theory]
    [InlineData("")]
    [InlineData("GatewaySecure software vault key - FOR TRIALS, NOT FOR PRODUCTION\n00\n")]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000\n")]
    public void A_damaged_key_file_is_refused_and_left_alone(string content)
    {
        SoftwareVault.OpenOrCreate(_directory.Path).Dispose();
        File.WriteAllText(KeyFile, content);
        Assert.Throws<InvalidDataException>(() => SoftwareVault.OpenOrCreate(_directory.Path));
        Assert.Equal(content, File.ReadAllText(KeyFile));
    }

    [Fact]
    public async Task A_master_key_does_the_card_operation_and_survives_a_restart()
    {
        var name = new MasterKeyName(PrincipalId.New(), 1);
        var input = RandomNumberGenerator.GetBytes(32);
        WrappedMasterKey key;
        byte[] before;
        using (var vault = SoftwareVault.OpenOrCreate(_directory.Path))
        {
            key = await vault.GenerateAsync(name, Cancel);
            before = await vault.DecryptBlocksAsync(key, input, Cancel);
        }
        using var again = SoftwareVault.OpenOrCreate(_directory.Path);
        Assert.Equal(before, await again.DecryptBlocksAsync(key, input, Cancel));
        byte[] clear = [];
        await again.ReleaseAsync(key, (k, _) => { clear = k.ToArray(); return default; }, Cancel);
        using var aes = Aes.Create();
        aes.Key = clear;
        Assert.Equal(before, aes.DecryptCbc(input, new byte[16], PaddingMode.None));
    }

    [Fact]
    public async Task A_released_key_is_zeroed_also_when_the_card_fails()
    {
        using var vault = SoftwareVault.OpenOrCreate(_directory.Path);
        var key = await vault.GenerateAsync(new MasterKeyName(PrincipalId.New(), 1), Cancel);
        ReadOnlyMemory<byte> kept = default;
        await vault.ReleaseAsync(key, (k, _) => { kept = k; Assert.Contains(k.ToArray(), b => b != 0); return default; }, Cancel);
        Assert.All(kept.ToArray(), b => Assert.Equal(0, b));
        await Assert.ThrowsAsync<IOException>(() =>
            vault.ReleaseAsync(key, (k, _) => { kept = k; throw new IOException("card removed"); }, Cancel).AsTask());
        Assert.All(kept.ToArray(), b => Assert.Equal(0, b));
    }

    [Fact]
    public async Task A_wrapped_key_under_another_name_fails()
    {
        using var vault = SoftwareVault.OpenOrCreate(_directory.Path);
        var (alice, bob) = (PrincipalId.New(), PrincipalId.New());
        var key = await vault.GenerateAsync(new MasterKeyName(alice, 1), Cancel);
        foreach (var other in new[] { new MasterKeyName(bob, 1), new MasterKeyName(alice, 2), new MasterKeyName(alice, 11) })
            await Assert.ThrowsAnyAsync<CryptographicException>(() => vault.DecryptBlocksAsync(key with { Name = other }, new byte[32], Cancel).AsTask());
    }

    [Fact]
    public async Task A_changed_wrapped_key_fails()
    {
        using var vault = SoftwareVault.OpenOrCreate(_directory.Path);
        var key = await vault.GenerateAsync(new MasterKeyName(PrincipalId.New(), 1), Cancel);
        for (var i = 0; i < key.Wrapped.Length; i++)
        {
            var changed = key.Wrapped.ToArray();
            changed[i] ^= 1;
            await Assert.ThrowsAnyAsync<CryptographicException>(() => vault.DecryptBlocksAsync(key with { Wrapped = changed }, new byte[32], Cancel).AsTask());
        }
        await Assert.ThrowsAnyAsync<CryptographicException>(() => vault.DecryptBlocksAsync(key with { Wrapped = key.Wrapped[..40] }, new byte[32], Cancel).AsTask());
    }

    [Fact]
    public void A_spool_key_opens_with_its_own_context_only_and_after_a_restart()
    {
        var data = RandomNumberGenerator.GetBytes(32);
        byte[] wrapped;
        using (var vault = SoftwareVault.OpenOrCreate(_directory.Path))
            wrapped = vault.Spool.Wrap(data, "item-1"u8);
        using var again = SoftwareVault.OpenOrCreate(_directory.Path);
        Assert.Equal(data, again.Spool.Unwrap(wrapped, "item-1"u8));
        Assert.ThrowsAny<CryptographicException>(() => again.Spool.Unwrap(wrapped, "item-2"u8));
        Assert.ThrowsAny<CryptographicException>(() => again.Spool.Unwrap(wrapped.AsSpan(0, 20), "item-1"u8));
    }

    [Fact]
    public void A_closed_vault_wraps_nothing()
    {
        var vault = SoftwareVault.OpenOrCreate(_directory.Path);
        var spool = vault.Spool;
        vault.Dispose();
        Assert.Throws<ObjectDisposedException>(() => spool.Wrap(new byte[32], "item"u8));
    }

    [Fact]
    public void A_spool_key_serves_many_threads()
    {
        using var vault = SoftwareVault.OpenOrCreate(_directory.Path);
        Parallel.For(0, 2000, i =>
        {
            var data = BitConverter.GetBytes(i);
            Assert.Equal(data, vault.Spool.Unwrap(vault.Spool.Wrap(data, data), data));
        });
    }

    [Fact]
    public void Signing_keys_stay_the_same_and_are_not_in_clear_on_disk()
    {
        byte[] rsaPublic, ecPublic, signature;
        using (var vault = SoftwareVault.OpenOrCreate(_directory.Path))
        {
            using var rsa = vault.OrganisationRsaKey("org");
            using var ec = vault.OrganisationEcdsaKey("org");
            (rsaPublic, ecPublic) = (rsa.ExportSubjectPublicKeyInfo(), ec.ExportSubjectPublicKeyInfo());
            signature = rsa.SignData("text"u8, HashAlgorithmName.SHA256, RSASignaturePadding.Pss);
            var modulus = rsa.ExportParameters(false).Modulus!;
            Assert.Equal(3072, modulus.Length * 8);
            Assert.All(
                Directory.GetFiles(Path.GetDirectoryName(KeyFile)!), f => Assert.Equal(-1, File.ReadAllBytes(f).AsSpan().IndexOf(modulus.AsSpan(0, 32))));
        }
        using var again = SoftwareVault.OpenOrCreate(_directory.Path);
        using var sameRsa = again.OrganisationRsaKey("org");
        using var sameEc = again.OrganisationEcdsaKey("org");
        using var other = again.OrganisationEcdsaKey("other");
        Assert.Equal(rsaPublic, sameRsa.ExportSubjectPublicKeyInfo());
        Assert.Equal(ecPublic, sameEc.ExportSubjectPublicKeyInfo());
        Assert.NotEqual(ecPublic, other.ExportSubjectPublicKeyInfo());
        Assert.True(sameRsa.VerifyData("text"u8, signature, HashAlgorithmName.SHA256, RSASignaturePadding.Pss));
    }

    [Fact]
    public void A_signing_key_renamed_on_disk_does_not_open()
    {
        using var vault = SoftwareVault.OpenOrCreate(_directory.Path);
        vault.OrganisationEcdsaKey("one").Dispose();
        var folder = Path.GetDirectoryName(KeyFile)!;
        File.Copy(Path.Combine(folder, "signing-one.ecdsa.wrapped"), Path.Combine(folder, "signing-two.ecdsa.wrapped"));
        Assert.ThrowsAny<CryptographicException>(() => vault.OrganisationEcdsaKey("two"));
        Assert.Throws<ArgumentException>(() => vault.OrganisationEcdsaKey("../one"));
    }

    public void Dispose() => _directory.Dispose();
}
