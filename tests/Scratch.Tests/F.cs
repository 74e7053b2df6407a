namespace GatewaySecure.Gateway.Configuration;
internal static class PasswordHash { public static string Create(string p) => p; }
