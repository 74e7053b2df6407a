using System.Security.Cryptography;
using GatewaySecure.SmartCard;

namespace GatewaySecure.CardClient;

/// <summary>One way from a failure to an exit status and a sentence on standard error.</summary>
internal static class Guard
{
    public static async Task<int> RunAsync(Func<Task<OpeningStatus>> action)
    {
        try
        {
            return (int)await action();
        }
        catch (CardException e)
        {
            Console.Error.WriteLine(e.Message);
            return (int)(e.Fault == CardFault.NotSupported ? OpeningStatus.Usage : OpeningStatus.NoCard);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidOperationException or CryptographicException)
        {
            Console.Error.WriteLine(e.Message);
            return (int)OpeningStatus.Usage;
        }
    }
}
