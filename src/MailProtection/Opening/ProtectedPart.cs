using System.Formats.Asn1;
using GatewaySecure.MailProtection.Cms;
using GatewaySecure.MailProtection.Mime;

namespace GatewaySecure.MailProtection.Opening;

/// <summary>What kind of protection a part of a mail has.</summary>
internal enum ProtectedKind
{
    Enveloped,
    SignedClear,
    SignedOpaque,
}

/// <summary>A protected part of a message, and the message that it is of.</summary>
/// <param name="Message">The message that <paramref name="Node"/> is measured in.</param>
/// <param name="Node">The part.</param>
/// <param name="Kind">How it is protected.</param>
internal sealed record ProtectedPart(OctetSource Message, MimeNode Node, ProtectedKind Kind)
{
    private const int MaximumAttachedMessages = 5;

    /// <summary>The CMS octets of an enveloped or opaque part.</summary>
    public OctetSource Cms => Body(Message, Node);

    /// <summary>The whole part, header and body.</summary>
    public OctetSource Entity => Message.Slice(Node.Start, Node.End - Node.Start);

    /// <summary>Header of the message or attached message that the part belongs to.</summary>
    public HeaderBlock MessageHeader
    {
        get
        {
            var node = Node;
            while (node.Parent is { } parent && !parent.Type.Name.StartsWith("message/", StringComparison.Ordinal))
                node = parent;
            return node.Header;
        }
    }

    /// <summary>Something that is not protected stands beside it.</summary>
    public bool IsSurrounded { get; init; }

    /// <summary>The first protected part: the message itself, one of its parts, or one in an attached message.</summary>
    public static ProtectedPart? Find(OctetSource message) => Find(message, 0);

    /// <summary>What the entity itself is, without looking into its parts: inside protection nothing further is searched for.</summary>
    public static ProtectedPart? AtRoot(OctetSource entity, MimeNode root) =>
        KindOf(entity, root) is { } kind ? new ProtectedPart(entity, root, kind) : null;

    private static ProtectedPart? Find(OctetSource message, int depth)
    {
        MimeNode root;
        using (var stream = message.OpenRead())
            root = MimeScanner.Scan(stream);
        foreach (var node in root.All())
        {
            if (KindOf(message, node) is { } kind)
                return new ProtectedPart(message, node, kind) { IsSurrounded = node.Parent is not null };
            if (depth < MaximumAttachedMessages && IsEncodedMessage(node) && Find(Body(message, node), depth + 1) is { } inside)
                return inside with { IsSurrounded = true };
        }
        return null;
    }

    private static ProtectedKind? KindOf(OctetSource message, MimeNode node)
    {
        if (node.Type.Name == "multipart/signed")
        {
            var detached = node.Children.Count == 2
                && node.Children[1].Type.Name is "application/pkcs7-signature" or "application/x-pkcs7-signature";
            return detached ? ProtectedKind.SignedClear : null;
        }
        if (node.Children.Count > 0 || node.Type.Name is "application/pkcs7-signature" or "application/x-pkcs7-signature")
            return null;
        // By the content, whatever the type says: servers on the way rewrite types (docs/formats/kdc-mail.md §5).
        return CmsObject.SniffType(Body(message, node).Peek(64)) switch
        {
            Oids.EnvelopedData or Oids.AuthEnvelopedData => ProtectedKind.Enveloped,
            Oids.SignedData => ProtectedKind.SignedOpaque,
            _ => null,
        };
    }

    private static bool IsEncodedMessage(MimeNode node)
    {
        if (node.Children.Count > 0 || node.Parent is null)
            return false;
        var name = node.Header.First("Content-Disposition") is { } field ? MediaType.Parse(field.Value)["filename"] : null;
        name ??= node.Type["name"];
        return node.Type.Name.StartsWith("message/", StringComparison.Ordinal)
            || (name is not null && name.EndsWith(".eml", StringComparison.OrdinalIgnoreCase));
    }

    private static OctetSource Body(OctetSource message, MimeNode node) =>
        message.Slice(node.BodyStart, node.End - node.BodyStart).Decode(node.TransferEncoding);
}
