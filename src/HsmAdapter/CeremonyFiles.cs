namespace GatewaySecure.HsmAdapter;

/// <summary>Backup and shares as files of mode 0600 in one folder, from which the officers take theirs away.</summary>
public static class CeremonyFiles
{
    /// <returns>The files, the backup first.</returns>
    /// <exception cref="IOException">They can't be written, or one of them is there already.</exception>
    public static IReadOnlyList<string> Write(CeremonyResult result, string folder)
    {
        ArgumentNullException.ThrowIfNull(result);
        DurableFile.CreateDirectory(folder);
        List<(string Path, string Text)> files = [(Path.Combine(folder, VaultBackup.FileName(result.Version)), result.Backup.ToText())];
        files.AddRange(result.Shares.Select(s => (Path.Combine(folder, $"vault-key-{result.Version}.share-{s.Number}"), s.ToText())));
        foreach (var (path, _) in files.Where(f => File.Exists(f.Path)))
            throw new IOException($"{path} is there already; give an empty folder.");
        foreach (var (path, text) in files)
            DurableFile.Replace(path, System.Text.Encoding.UTF8.GetBytes(text));
        return [.. files.Select(f => f.Path)];
    }

    /// <exception cref="InvalidDataException">Not a backup.</exception>
    public static VaultBackup ReadBackup(string path) => VaultBackup.Parse(File.ReadAllText(path));

    /// <exception cref="InvalidDataException">Not a share, or mistyped.</exception>
    public static VaultShare ReadShare(string path) => VaultShare.Parse(File.ReadAllText(path));
}
