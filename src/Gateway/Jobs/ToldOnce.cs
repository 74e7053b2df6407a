using System.Text.Json;
using System.Text.Json.Serialization;

namespace GatewaySecure.Gateway.Jobs;

/// <summary>What people were told of already, kept in a file: one matter is told once, and its end once.</summary>
internal sealed class ToldOnce
{
    private readonly string _path;
    private readonly Dictionary<string, string> _told;

    public ToldOnce(string path)
    {
        _path = path;
        try
        {
            _told = JsonSerializer.Deserialize(File.ReadAllBytes(path), ToldJson.Default.DictionaryStringString) ?? [];
        }
        catch (Exception e) when (e is FileNotFoundException or JsonException)
        {
            // Nothing was told; at the worst something is told twice.
            _told = [];
        }
    }

    /// <summary>
    /// What stands now against what was told: lines that are new, and a line for each that is over. Kept by <see cref="Keep"/>, when they were told.
    /// </summary>
    /// <param name="matters">Key and line of each that stands now.</param>
    public (IReadOnlyList<string> Begun, IReadOnlyList<string> Over) Compare(IReadOnlyDictionary<string, string> matters) =>
        ([.. matters.Where(m => !_told.ContainsKey(m.Key)).Select(m => m.Value)],
         [.. _told.Where(t => !matters.ContainsKey(t.Key)).Select(t => t.Value)]);

    /// <exception cref="IOException">It can't be kept.</exception>
    public void Keep(IReadOnlyDictionary<string, string> matters)
    {
        _told.Clear();
        foreach (var (key, line) in matters)
            _told[key] = line;
        File.WriteAllBytes(_path + ".new", JsonSerializer.SerializeToUtf8Bytes(_told, ToldJson.Default.DictionaryStringString));
        File.Move(_path + ".new", _path, overwrite: true);
    }
}

/// <summary>The file of <see cref="ToldOnce"/>.</summary>
[JsonSerializable(typeof(Dictionary<string, string>))]
internal sealed partial class ToldJson : JsonSerializerContext;
