using System.Diagnostics;

namespace GatewaySecure.Bench;

/// <summary>How much is measured: each side runs for about <see cref="RunTime"/> in each of <see cref="Rounds"/>, in turns; medians count.</summary>
/// <param name="IsQuick">Fewer cases.</param>
/// <param name="Limit">After so long in all, a case ends with its first round.</param>
internal sealed record Effort(bool IsQuick, TimeSpan RunTime, int Rounds, TimeSpan Limit)
{
    private readonly Stopwatch _running = Stopwatch.StartNew();

    /// <summary>Ends within 50 seconds on a machine that is slow or busy, too.</summary>
    public static Effort Quick() => new(true, TimeSpan.FromSeconds(0.6), 3, TimeSpan.FromSeconds(38));

    public static Effort Full() => new(false, TimeSpan.FromSeconds(2), 5, TimeSpan.MaxValue);

    /// <summary>So many operations fill one run, at the speed that was seen.</summary>
    public int CountFor(double perSecond, int atLeast) => (int)Math.Max(atLeast, perSecond * RunTime.TotalSeconds);

    /// <summary>Runs the sides in turns.</summary>
    /// <returns>Of each side, in their order, the median over the rounds.</returns>
    public async Task<double[]> TakeTurnsAsync(params Func<Task<double>>[] sides)
    {
        var values = sides.Select(_ => new List<double>()).ToArray();
        for (var round = 0; round < Rounds && (round == 0 || _running.Elapsed < Limit); round++)
        {
            for (var i = 0; i < sides.Length; i++)
                values[i].Add(await sides[i]());
        }
        return [.. values.Select(Median)];
    }

    private static double Median(List<double> values)
    {
        values.Sort();
        return (values[(values.Count - 1) / 2] + values[values.Count / 2]) / 2;
    }
}
