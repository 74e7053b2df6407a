using System.Security.Cryptography;
using GatewaySecure.CardEnrollment.Issuing;
using GatewaySecure.KdcCore;
using GatewaySecure.KdcTransport.Operator;
using GatewaySecure.SmartCard;

namespace GatewaySecure.CardEnrollment.Commands;

/// <summary>Exit status of a command.</summary>
internal static class ExitStatus
{
    public const int Done = 0;
    public const int Failed = 1;
    public const int Usage = 2;

    /// <summary>The operator's session ended, or he stopped it, before the work was done; the same command goes on.</summary>
    public const int SessionEnded = 3;
}

/// <summary>One way from a failure to an exit status and a sentence on standard error.</summary>
internal static class Guard
{
    public static async Task<int> RunAsync(Func<Task<int>> action)
    {
        try
        {
            return await action();
        }
        catch (SessionEndedException e)
        {
            Console.Error.WriteLine($"The session has ended: {e.Message} What was begun is gone on with by the same command.");
            return ExitStatus.SessionEnded;
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine("Stopped. What was begun is gone on with by the same command.");
            return ExitStatus.SessionEnded;
        }
        catch (FormatException e)
        {
            Console.Error.WriteLine(e.Message);
            return ExitStatus.Usage;
        }
        catch (Exception e) when (e is CardException or AdministrationException or StaleRecordException or IssuingDeclinedException or IOException
            or InvalidDataException or InvalidOperationException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            Console.Error.WriteLine(e.Message);
            return ExitStatus.Failed;
        }
    }
}
