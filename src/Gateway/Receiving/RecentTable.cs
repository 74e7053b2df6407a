using System.Diagnostics.CodeAnalysis;

namespace GatewaySecure.Gateway.Receiving;

/// <summary>A value for each key, of as many keys as it holds: the one that was asked for longest ago is forgotten first. Not thread-safe.</summary>
internal sealed class RecentTable<TKey, TValue>(int capacity, Func<TValue> create)
    where TKey : notnull
{
    private readonly Dictionary<TKey, LinkedListNode<(TKey Key, TValue Value)>> _byKey = [];

    /// <summary>The one that was asked for last comes last.</summary>
    private readonly LinkedList<(TKey Key, TValue Value)> _order = new();

    public int Count => _byKey.Count;

    /// <summary>Makes it where there is none.</summary>
    public TValue Get(TKey key)
    {
        if (_byKey.TryGetValue(key, out var node))
        {
            _order.Remove(node);
        }
        else
        {
            if (_byKey.Count >= capacity)
            {
                _byKey.Remove(_order.First!.Value.Key);
                _order.RemoveFirst();
            }
            node = new LinkedListNode<(TKey Key, TValue Value)>((key, create()));
            _byKey.Add(key, node);
        }
        _order.AddLast(node);
        return node.Value.Value;
    }

    /// <summary>Without making one, and without being remembered for longer.</summary>
    public bool TryFind(TKey key, [MaybeNullWhen(false)] out TValue value)
    {
        var isThere = _byKey.TryGetValue(key, out var node);
        value = isThere ? node!.Value.Value : default;
        return isThere;
    }
}
