using System.Text.Json;

namespace GatewaySecure.VirtualCard;

/// <summary>
/// The card's memory: a JSON file of mode 0600, replaced atomically and flushed. Held by one process at a time
/// (a card is in one reader), or two copies would each count their own PIN tries.
/// </summary>
internal sealed class CardFile<T> : IDisposable
    where T : CardMemory
{
    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true };
    private readonly string? _path;
    private readonly FileStream? _lock;

    private CardFile(string? path, T state, FileStream? held)
    {
        _path = path;
        State = state;
        _lock = held;
    }

    public T State { get; private set; }

    public static CardFile<T> InMemory(T state) => new(null, state, null);

    /// <exception cref="IOException">The file exists already.</exception>
    public static CardFile<T> Create(string path, T state)
    {
        path = Path.GetFullPath(path);
        var held = Hold(path);
        try
        {
            if (File.Exists(path))
                throw new IOException($"{path} exists already; a card is not overwritten.");
            var file = new CardFile<T>(path, state, held);
            file.Save();
            return file;
        }
        catch
        {
            held.Dispose();
            throw;
        }
    }

    /// <exception cref="IOException">There is no such card, another process holds it, or it is damaged.</exception>
    public static CardFile<T> Open(string path)
    {
        path = Path.GetFullPath(path);
        if (!File.Exists(path))
            throw new FileNotFoundException($"There is no virtual card at {path}.", path);
        var held = Hold(path);
        try
        {
            var state = JsonSerializer.Deserialize<T>(File.ReadAllBytes(path), Json);
            if (state is not { IsComplete: true })
                throw new IOException($"{path} is not a virtual card of this kind.");
            return new CardFile<T>(path, state, held);
        }
        catch (JsonException e)
        {
            held.Dispose();
            throw new IOException($"{path} is not a virtual card.", e);
        }
        catch
        {
            held.Dispose();
            throw;
        }
    }

    /// <summary>Returns when the present state is on disk.</summary>
    public void Save()
    {
        if (_path is null)
            return;
        var temporary = _path + ".new";
        using (var stream = OpenPrivate(temporary, FileMode.Create))
        {
            JsonSerializer.Serialize(stream, State, Json);
            stream.Flush(flushToDisk: true);
        }
        File.Move(temporary, _path, overwrite: true);
    }

    public void Replace(T state)
    {
        State = state;
        Save();
    }

    public void Dispose() => _lock?.Dispose();

    private static FileStream Hold(string path)
    {
        try
        {
            return OpenPrivate(path + ".lock", FileMode.OpenOrCreate);
        }
        catch (IOException e) when (e is not DirectoryNotFoundException)
        {
            throw new IOException($"The virtual card {path} is in use by another program (a card is in one reader at a time).", e);
        }
    }

    private static FileStream OpenPrivate(string path, FileMode mode)
    {
        var options = new FileStreamOptions { Mode = mode, Access = FileAccess.Write, Share = FileShare.None };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        return new FileStream(path, options);
    }
}
