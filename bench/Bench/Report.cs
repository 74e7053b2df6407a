using System.Globalization;
using System.Text.Json;

namespace GatewaySecure.Bench;

/// <summary>One comparison.</summary>
/// <param name="Ours">In <paramref name="Unit"/>.</param>
/// <param name="Rival">In <paramref name="Unit"/>.</param>
/// <param name="Ratio">Above 1: ours is better, whichever direction the unit has.</param>
internal sealed record Result(string Name, double Ours, double Rival, double Ratio, string Unit)
{
    public static Result MoreIsBetter(string name, double ours, double rival, string unit) => new(name, ours, rival, ours / rival, unit);

    public static Result LessIsBetter(string name, double ours, double rival, string unit) => new(name, ours, rival, rival / ours, unit);
}

/// <summary>Shows each result as soon as it is there, and keeps all for the file.</summary>
internal sealed class Report(TextWriter output)
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    private readonly List<Result> _results = [];

    public void Begin(string title, string ours, string rival)
    {
        output.WriteLine();
        output.WriteLine(title);
        Line("", ours, rival, "ratio", "");
    }

    public void Add(Result result)
    {
        _results.Add(result);
        Line(result.Name, Number(result.Ours), Number(result.Rival), result.Ratio.ToString("F2", CultureInfo.InvariantCulture), result.Unit);
    }

    /// <summary>Something to know about the line above.</summary>
    public void Remark(string text) => output.WriteLine("    " + text);

    public void WriteJson(FileInfo file) => File.WriteAllText(file.FullName, JsonSerializer.Serialize(_results, Json) + "\n");

    private void Line(string name, string ours, string rival, string ratio, string unit) =>
        output.WriteLine($"{name,-36} {ours,12} {rival,12} {ratio,8}  {unit}".TrimEnd());

    private static string Number(double value) => value.ToString(value < 100 ? "F1" : "F0", CultureInfo.InvariantCulture);
}
