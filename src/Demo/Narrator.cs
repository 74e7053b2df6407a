namespace GatewaySecure.Demo;

/// <summary>Tells the tour, checks every claim it makes, and keeps count.</summary>
internal sealed class Narrator(TextWriter output)
{
    private readonly bool _colours = !Console.IsOutputRedirected && Environment.GetEnvironmentVariable("NO_COLOR") is null;
    private int _claims;
    private int _steps;

    public int Failures { get; private set; }

    public void Title(string text) => output.WriteLine($"\n{Paint(text, "1")}");

    public void Step(string text) => Title($"{++_steps}. {text}");

    /// <summary>Something that is so, not a claim that can fail.</summary>
    public void Note(string text) => output.WriteLine($"   {text}");

    /// <summary>A claim with its proof.</summary>
    public void Claim(bool holds, string text)
    {
        _claims++;
        if (!holds)
            Failures++;
        output.WriteLine(holds ? $"   {Paint("✓", "32")} {text}" : $"   {Paint("✗ NOT TRUE:", "31")} {text}");
    }

    public void Sum() =>
        Title(Failures == 0 ? $"All {_claims} claims above were checked and hold." : $"{Failures} of {_claims} claims above do NOT hold.");

    private string Paint(string text, string code) => _colours ? $"\e[{code}m{text}\e[0m" : text;
}
