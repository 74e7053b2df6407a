using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace GatewaySecure.Settings;

/// <summary>Opens a configuration file as YAML and lets a reader take it apart; whatever is wrong becomes a problem with its place.</summary>
public static class SettingsFile
{
    /// <param name="path">Of the file; paths in it are relative to it.</param>
    /// <param name="sample">The sample's path in the tree, for whoever has no file yet.</param>
    /// <param name="known">The keys of the whole; those of its sections are the reader's.</param>
    /// <param name="read">Asked only where the file is YAML; what it returns counts only where no problem is an error.</param>
    public static ConfigurationResult<T> Load<T>(
        string path, string sample, IReadOnlyCollection<string> known, Func<ConfigurationSection, ProblemList, T?> read)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(read);
        if (string.IsNullOrWhiteSpace(path))
            return new ConfigurationResult<T>(null, [new ConfigurationProblem("(none)", 0, 0, "", "no configuration file is named")]);
        var problems = new ProblemList(path);
        T? configuration = null;
        try
        {
            if (Root(path, problems) is { } root)
                configuration = read(new ConfigurationSection(problems, root, "", known), problems);
        }
        catch (YamlException e)
        {
            problems.Add(e.Start, "", $"is not YAML: {e.Message}");
        }
        catch (FileNotFoundException)
        {
            problems.Add(Mark.Empty, "", $"is not there; copy {sample} and change it, or name another file");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            problems.Add(Mark.Empty, "", $"can't be read: {e.Message}");
        }
        return new ConfigurationResult<T>(problems.HasErrors ? null : configuration, problems.InOrder());
    }

    private static YamlMappingNode? Root(string path, ProblemList problems)
    {
        var yaml = new YamlStream();
        using (var text = File.OpenText(path))
            yaml.Load(new UniqueKeys(text, problems));
        if (yaml.Documents is [{ RootNode: YamlMappingNode root }])
            return root;
        problems.Add(Mark.Empty, "", "must hold keys and values, in one document");
        return null;
    }
}
