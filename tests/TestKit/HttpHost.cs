using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace GatewaySecure.TestKit;

/// <summary>A web server on loopback, without TLS, that a test gives its answers to. Disposing stops it.</summary>
public sealed class HttpHost : IAsyncDisposable
{
    private readonly WebApplication _web;
    private int _requests;

    private HttpHost(WebApplication web) => _web = web;

    public Uri Address { get; private set; } = null!;

    /// <summary>So far.</summary>
    public int Requests => _requests;

    public Func<HttpContext, Task> Answer { get; set; } = context =>
    {
        context.Response.StatusCode = 404;
        return Task.CompletedTask;
    };

    public static async Task<HttpHost> StartAsync(int port = 0)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(k =>
        {
            k.Listen(IPAddress.Loopback, port);
            k.Limits.MinResponseDataRate = null;
        });
        var web = builder.Build();
        var host = new HttpHost(web);
        web.Run(context =>
        {
            Interlocked.Increment(ref host._requests);
            return host.Answer(context);
        });
        await web.StartAsync();
        host.Address = new Uri(web.Urls.First());
        return host;
    }

    /// <summary>Gives these octets with an entity tag, and 304 to who has them.</summary>
    public void Serve(byte[] content, string tag = "\"1\"") => Answer = async context =>
    {
        context.Response.Headers.ETag = tag;
        if (context.Request.Headers.IfNoneMatch == tag)
            context.Response.StatusCode = 304;
        else
            await context.Response.Body.WriteAsync(content);
    };

    public async ValueTask DisposeAsync()
    {
        using var soon = new CancellationTokenSource(TimeSpan.FromMilliseconds(100));
        await _web.StopAsync(soon.Token);
        await _web.DisposeAsync();
    }
}
