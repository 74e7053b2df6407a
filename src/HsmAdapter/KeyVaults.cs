using System.Text.Json;
using System.Text.Json.Serialization;
using GatewaySecure.Pkcs11;

namespace GatewaySecure.HsmAdapter;

/// <summary>
/// Opens the vault of a state directory. A directory whose keys are in an HSM says so itself (<c>vault/hsm.json</c>), so that no program
/// makes software keys in it by mistake, and commands find the HSM without the configuration.
/// </summary>
public static class KeyVaults
{
    /// <param name="settings">Of the configuration; null: what the directory says, else software.</param>
    /// <exception cref="InvalidDataException">The directory's keys are in another kind of vault.</exception>
    /// <exception cref="IOException">The HSM is away, or refuses.</exception>
    public static IKeyVault Open(VaultSettings? settings, string stateDirectory, TimeProvider time)
    {
        var noted = ReadNote(stateDirectory);
        if ((settings is null ? noted : settings.Hsm) is not { } options)
        {
            return noted is null
                ? SoftwareVault.OpenOrCreate(stateDirectory)
                : throw new InvalidDataException($"The keys of {stateDirectory} are in the HSM, {noted.Token}, but the configuration names a software vault. Keys don't move.");
        }
        DemandNoSoftware(stateDirectory);
        var vault = HsmVault.Open(options, stateDirectory, time);
        Settle(options, stateDirectory);
        return vault;
    }

    /// <summary>What the directory says about its HSM; null where it says nothing.</summary>
    public static HsmOptions? ReadNote(string stateDirectory)
    {
        var path = NotePath(stateDirectory);
        if (!File.Exists(path))
            return null;
        try
        {
            var note = JsonSerializer.Deserialize(File.ReadAllText(path), HsmNoteJson.Default.HsmNote) ?? throw new JsonException();
            return new HsmOptions(note.Module, new TokenSelector(note.Token, note.Serial), note.PinFile, note.Sessions, note.KeptKeys);
        }
        catch (JsonException)
        {
            throw new InvalidDataException($"{path} is damaged; a start with the configuration writes it anew after you removed it.");
        }
    }

    /// <summary>Says in the directory that its keys are in that HSM: from now on no program makes software keys in it.</summary>
    /// <exception cref="InvalidDataException">It has software keys.</exception>
    public static void Settle(HsmOptions options, string stateDirectory)
    {
        DemandNoSoftware(stateDirectory);
        if (options != ReadNote(stateDirectory))
            WriteNote(options, stateDirectory);
    }

    private static void DemandNoSoftware(string stateDirectory)
    {
        if (SoftwareVault.Exists(stateDirectory))
            throw new InvalidDataException($"The keys of {stateDirectory} are in a software vault, for trials; keys don't move. Start with an empty state directory for the HSM.");
    }

    private static void WriteNote(HsmOptions options, string stateDirectory) => DurableFile.Replace(
        NotePath(stateDirectory),
        JsonSerializer.SerializeToUtf8Bytes(
            new HsmNote(options.ModulePath, options.Token.Label, options.Token.Serial, options.PinFile, options.Sessions, options.KeptKeys), HsmNoteJson.Default.HsmNote));

    private static string NotePath(string stateDirectory) => Path.Combine(stateDirectory, "vault", "hsm.json");
}

/// <summary>Where the HSM is; no secret.</summary>
internal sealed record HsmNote(string Module, string? Token, string? Serial, string PinFile, int Sessions, int KeptKeys = 0);

/// <summary>The note's JSON, without reflection.</summary>
[JsonSerializable(typeof(HsmNote))]
[JsonSourceGenerationOptions(WriteIndented = true)]
internal sealed partial class HsmNoteJson : JsonSerializerContext;
