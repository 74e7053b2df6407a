using Microsoft.Extensions.DependencyInjection;
using Microsoft.OpenApi;

namespace GatewaySecure.KdcServer.Http;

/// <summary>The OpenAPI document <c>v1</c>: made from the routes that are served, so that it can't say anything else.</summary>
internal static class Contract
{
    public static void Add(IServiceCollection services) => services.AddOpenApi("v1", options =>
        options.AddDocumentTransformer((document, _, _) =>
        {
            document.Info = new OpenApiInfo
            {
                Title = "GatewaySecure KDC",
                Version = "1",
                Description = "Tickets for KDC mail. The octets of the exchange are specified in docs/formats/kdc-mail.md.",
            };
            // The address is the reader's own matter.
            document.Servers = [];
            // The octets themselves, not their base64.
            foreach (var content in document.Paths.Values.SelectMany(p => p.Operations?.Values.ToArray() ?? []).SelectMany(Contents))
            {
                if (content.TryGetValue(ExchangeEndpoints.MediaType, out var media))
                    media.Schema = new OpenApiSchema { Type = JsonSchemaType.String, Format = "binary" };
            }
            return Task.CompletedTask;
        }));

    private static IEnumerable<IDictionary<string, OpenApiMediaType>> Contents(OpenApiOperation operation) =>
        new[] { operation.RequestBody?.Content }.Concat(operation.Responses?.Values.Select(r => r.Content) ?? [])
            .OfType<IDictionary<string, OpenApiMediaType>>();
}
