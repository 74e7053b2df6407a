using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using GatewaySecure.Gateway.Configuration;
using GatewaySecure.KdcCore;
using GatewaySecure.KdcTransport;

namespace GatewaySecure.Gateway.Hosting;

/// <summary>
/// The gateway's side of a KDC that runs elsewhere: how to reach it, and the master key that it gave this gateway at enrolment, wrapped by
/// the gateway's own vault (docs/kdc.md).
/// </summary>
internal static class KdcAccess
{
    /// <exception cref="IOException">A PEM file can't be read.</exception>
    /// <exception cref="System.Security.Cryptography.CryptographicException">A certificate and its key do not fit.</exception>
    public static HttpKdc Connect(KdcServerConfiguration server, TimeProvider time)
    {
        var trust = new X509Certificate2Collection();
        trust.ImportFromPemFile(server.Trust);
        if (trust.Count == 0)
            throw new InvalidDataException($"{server.Trust} holds no certificate.");
        return new HttpKdc(
            new KdcServerAddress(server.Url, trust, X509Certificate2.CreateFromPemFile(server.Certificate, server.Key), server.Timeout), time);
    }

    /// <summary>Asks for the key and keeps it: a newer one takes the place of an older one.</summary>
    public static async Task<EnrolmentOutcome> EnrolAsync<TVault>(
        HttpKdc kdc, TVault vault, string token, Realm realm, StateDirectory state, CancellationToken cancellationToken)
        where TVault : IMasterKeyVault, IMasterKeyReceiver
    {
        var outcome = await kdc.EnrolAsync(token, await vault.TransportKeyAsync(cancellationToken), cancellationToken);
        if (outcome is not EnrolmentOutcome.Enrolled enrolled)
            return outcome;
        if (enrolled.Realm != realm)
            return new EnrolmentOutcome.Refused($"That is the KDC of {enrolled.Realm}; the configuration names {realm}.");
        var key = await vault.ReceiveAsync(enrolled.Name, enrolled.Key, cancellationToken);
        var record = new KeptEnrolment(realm.Name, key.Name.Principal.ToString(), key.Name.Kvno, key.Wrapped.ToArray());
        var temporary = state.KdcEnrolment + ".new";
        await using (var file = new FileStream(temporary, OwnerOnly()))
        {
            await JsonSerializer.SerializeAsync(file, record, JsonSerializerOptions.Web, cancellationToken);
            file.Flush(flushToDisk: true);
        }
        File.Move(temporary, state.KdcEnrolment, overwrite: true);
        return outcome;
    }

    /// <summary>The key of the enrolment.</summary>
    /// <exception cref="InvalidDataException">There was none, or it was for another realm.</exception>
    public static WrappedMasterKey ReadKey(Realm realm, StateDirectory state)
    {
        if (!File.Exists(state.KdcEnrolment))
        {
            throw new InvalidDataException(
                "The gateway has no key of the KDC yet. 'kdc gateway token' on the KDC prints a token; 'gateway kdc enroll' takes it.");
        }
        var kept = JsonSerializer.Deserialize<KeptEnrolment>(File.ReadAllBytes(state.KdcEnrolment), JsonSerializerOptions.Web);
        if (kept?.Key is null || !PrincipalId.TryParse(kept.Principal, out var principal) || kept.Kvno < 1)
            throw new InvalidDataException($"{state.KdcEnrolment} is damaged; enrol anew with 'gateway kdc enroll'.");
        if (kept.Realm != realm.Name)
            throw new InvalidDataException($"The gateway is enrolled with the KDC of {kept.Realm}; the configuration names {realm}.");
        return new WrappedMasterKey(new MasterKeyName(principal, kept.Kvno), kept.Key);
    }

    private static FileStreamOptions OwnerOnly()
    {
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        return options;
    }

    private sealed record KeptEnrolment(string Realm, string Principal, int Kvno, byte[] Key);
}
