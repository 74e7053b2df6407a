namespace GatewaySecure.KdcTransport;

/// <summary>There is no answer: the KDC can't be reached, is not the one that was pinned, or says "later". Never a refusal; ask again.</summary>
public sealed class KdcUnavailableException(string message, Exception? inner = null) : IOException(message, inner);
