using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Net.Pkcs11Interop.Common;
using Net.Pkcs11Interop.HighLevelAPI;

namespace GatewaySecure.Pkcs11;

/// <summary>
/// A vendor's PKCS#11 module, loaded and initialised once in this process, however many pools and cards use it. Where a token does not
/// come back by itself the module is initialised anew; then every session of before is void, which their owners notice and mend.
/// Thread-safe.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "Stays loaded as long as the process lives.")]
public sealed class Pkcs11Module
{
    private static readonly Dictionary<string, Pkcs11Module> Loaded = [];

    // Calls hold it for reading, so that the module is never finalised under one.
    private readonly ReaderWriterLockSlim _calls = new();
    private readonly string _path;
    private IPkcs11Library? _library;

    static Pkcs11Module() =>
        // The package asks for "libdl", which newer C libraries hold themselves.
        NativeLibrary.SetDllImportResolver(typeof(IPkcs11Library).Assembly, (name, assembly, search) =>
            name == "libdl" && OperatingSystem.IsLinux() ? NativeLibrary.Load("libc.so.6", assembly, search) : IntPtr.Zero);

    private Pkcs11Module(string path) => _path = path;

    internal static Pkcs11InteropFactories Factories { get; } = new();

    /// <summary>Counts initialisations: sessions of an earlier one are void.</summary>
    internal int Generation { get; private set; }

    /// <summary>The module at that path, loaded now or before.</summary>
    /// <exception cref="TokenException">It can't be loaded or initialised.</exception>
    public static Pkcs11Module Load(string path)
    {
        var full = Path.GetFullPath(path);
        lock (Loaded)
        {
            if (Loaded.TryGetValue(full, out var known))
                return known;
            if (!File.Exists(full))
                throw new TokenException(TokenFault.ModuleMissing, $"There is no PKCS#11 module {path}.");
            var module = new Pkcs11Module(full);
            module.Initialize();
            return Loaded[full] = module;
        }
    }

    /// <summary>Every slot, as the readers are now.</summary>
    public IReadOnlyList<TokenSlot> Slots() => Call(library =>
        library.GetSlotList(SlotsType.WithOrWithoutTokenPresent).Select(Describe).OfType<TokenSlot>().ToList());

    /// <summary>The one token that the selector means.</summary>
    /// <exception cref="TokenException">None is there, or several.</exception>
    public TokenSlot Find(TokenSelector selector)
    {
        var found = Slots().Where(s => s.Token is { } token && selector.Matches(token)).ToList();
        return found switch
        {
            [var slot] => slot,
            [] => throw new TokenException(TokenFault.TokenAway, $"{_path} shows no {selector}; is it plugged in and initialised?"),
            _ => throw new TokenException(TokenFault.NotFound, $"{_path} shows {selector} {found.Count} times; give the serial number too."),
        };
    }

    /// <summary>Looks anew at what is plugged in, for modules that look only when they start. All sessions and logins of this process with it end.</summary>
    public void ForgetTokens() => Reinitialize(Generation);

    /// <summary>Initialises the module anew; waits for running calls. All sessions and logins of this process with it end.</summary>
    internal void Reinitialize(int knownGeneration)
    {
        _calls.EnterWriteLock();
        try
        {
            // Another pool was faster.
            if (Generation != knownGeneration)
                return;
            _library?.Dispose();
            _library = null;
            Initialize();
        }
        finally
        {
            _calls.ExitWriteLock();
        }
    }

    /// <summary>A call into the module, during which it is not finalised.</summary>
    internal T Call<T>(Func<IPkcs11Library, T> call)
    {
        _calls.EnterReadLock();
        try
        {
            return call(_library ?? throw new TokenException(TokenFault.TokenAway, $"The PKCS#11 module {_path} could not be initialised anew."));
        }
        catch (Pkcs11Exception e)
        {
            throw Faults.Translate(e);
        }
        finally
        {
            _calls.ExitReadLock();
        }
    }

    private void Initialize()
    {
        try
        {
            _library = Factories.Pkcs11LibraryFactory.LoadPkcs11Library(Factories, _path, AppType.MultiThreaded);
            Generation++;
        }
        catch (Pkcs11Exception e)
        {
            throw Faults.Translate(e);
        }
        catch (Exception e) when (e is UnmanagedException or LibraryArchitectureException or UnsupportedPlatformException)
        {
            throw new TokenException(TokenFault.ModuleMissing, $"{_path} can't be loaded as a PKCS#11 module: {e.Message}", e);
        }
    }

    private static TokenSlot? Describe(ISlot slot)
    {
        try
        {
            var info = slot.GetSlotInfo();
            return new TokenSlot(slot.SlotId, info.SlotDescription.TrimEnd(), info.SlotFlags.TokenPresent ? Token(slot) : null);
        }
        catch (Pkcs11Exception)
        {
            // The reader was unplugged between the list and the question.
            return null;
        }
    }

    private static TokenDescription? Token(ISlot slot)
    {
        try
        {
            return TokenDescription.From(slot.GetTokenInfo());
        }
        catch (Pkcs11Exception)
        {
            // Removed meanwhile, or a card that the module does not know.
            return null;
        }
    }

    internal static ISlot Slot(IPkcs11Library library, ulong id) =>
        library.GetSlotList(SlotsType.WithOrWithoutTokenPresent).FirstOrDefault(s => s.SlotId == id)
        ?? throw new TokenException(TokenFault.TokenAway, "The token's slot is not there any more.");
}
