using System.Text.Json;

namespace GatewaySecure.TrustFetch;

/// <summary>
/// The last good list of each source, and what is known of it: two files in one folder, each replaced by one rename, so that whoever reads the
/// folder sees the old or the new.
/// </summary>
public sealed class ListStore
{
    private readonly string _folder;

    /// <exception cref="IOException">The folder can't be made.</exception>
    public ListStore(string folder) => _folder = Directory.CreateDirectory(folder).FullName;

    public string Folder => _folder;

    /// <summary>Null: nothing is known of it yet, or what was kept can't be read.</summary>
    public ListState? StateOf(FetchSource source) => Read(PathOf(source, ".json"));

    private static ListState? Read(string path)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), StateJson.Default.ListState);
        }
        catch (Exception e) when (e is FileNotFoundException or JsonException)
        {
            return null;
        }
    }

    /// <summary>Null: there is none.</summary>
    public byte[]? ListOf(FetchSource source)
    {
        var path = PathOf(source, ".crl");
        return File.Exists(path) ? File.ReadAllBytes(path) : null;
    }

    /// <exception cref="IOException">It could not be kept; what was there stays.</exception>
    public void Keep(FetchSource source, byte[] list, ListState state)
    {
        Replace(PathOf(source, ".crl"), list);
        Keep(source, state);
    }

    /// <exception cref="IOException">It could not be kept; what was there stays.</exception>
    public void Keep(FetchSource source, ListState state) =>
        Replace(PathOf(source, ".json"), JsonSerializer.SerializeToUtf8Bytes(state, StateJson.Default.ListState));

    /// <summary>Nobody asks for it any more.</summary>
    public void Forget(string key)
    {
        File.Delete(Path.Combine(_folder, key + ".crl"));
        File.Delete(Path.Combine(_folder, key + ".json"));
    }

    /// <summary>Of all sources; one that can't be read is left out.</summary>
    public IEnumerable<ListState> States() => Keys().Select(k => Read(Path.Combine(_folder, k + ".json"))).OfType<ListState>();

    /// <summary>Keys of all that is kept.</summary>
    public IEnumerable<string> Keys() => Directory.EnumerateFiles(_folder, "*.json").Select(f => Path.GetFileNameWithoutExtension(f));

    private string PathOf(FetchSource source, string ending) => Path.Combine(_folder, source.Key + ending);

    private static void Replace(string path, byte[] content)
    {
        var fresh = path + ".new";
        using (var file = new FileStream(fresh, FileMode.Create, FileAccess.Write))
        {
            file.Write(content);
            file.Flush(flushToDisk: true);
        }
        File.Move(fresh, path, overwrite: true);
    }
}
