using System.CommandLine;
using GatewaySecure.Gateway.Configuration;

namespace GatewaySecure.Gateway.Commands;

/// <summary><c>gateway user</c>: accounts that submit mail with a password.</summary>
internal static class UserCommands
{
    public static Command Create()
    {
        var hash = new Command("hash-password", """
            Reads a password from standard input and prints the hash for 'users' in the configuration.

            Example:
              gateway user hash-password < password.txt
            """);
        hash.SetAction(_ =>
        {
            if (!Console.IsInputRedirected)
                Console.Error.Write("Password (shown while you type; or pipe it in): ");
            if (Console.In.ReadLine() is not { Length: > 0 } password)
            {
                Console.Error.WriteLine("No password was given.");
                return ExitCode.Problem;
            }
            Console.WriteLine(PasswordHash.Create(password));
            return ExitCode.Success;
        });
        return new Command("user", "Accounts that submit mail with a password.") { hash };
    }
}
