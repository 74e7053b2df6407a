using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace GatewaySecure.TestKit;

/// <summary>A web server over TLS on a loopback address that a test gives its answers to. Disposing stops it.</summary>
public sealed class HttpsHost : IAsyncDisposable
{
    private readonly WebApplication _web;
    private int _requests;

    private HttpsHost(WebApplication web) => _web = web;

    public int Port { get; private set; }

    /// <summary>So far.</summary>
    public int Requests => _requests;

    public Func<HttpContext, Task> Answer { get; set; } = _ => Task.CompletedTask;

    public required X509Certificate2 Certificate { get; set; }

    /// <param name="address">Null: 127.0.0.1.</param>
    /// <param name="port">0: a free one.</param>
    public static async Task<HttpsHost> StartAsync(X509Certificate2 certificate, X509Certificate2 issuer, IPAddress? address = null, int port = 0)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        HttpsHost? host = null;
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(k => k.Listen(address ?? IPAddress.Loopback, port, e => e.UseHttps(
            new TlsHandshakeCallbackOptions
            {
                OnConnection = _ => ValueTask.FromResult(new SslServerAuthenticationOptions
                {
                    ServerCertificateContext = SslStreamCertificateContext.Create(host!.Certificate, [issuer], offline: true),
                }),
            })));
        var web = builder.Build();
        host = new HttpsHost(web) { Certificate = certificate };
        web.Run(context =>
        {
            Interlocked.Increment(ref host._requests);
            return host.Answer(context);
        });
        await web.StartAsync();
        host.Port = new Uri(web.Urls.First()).Port;
        return host;
    }

    /// <summary>Serves an MTA-STS policy where RFC 8461 §3.3 wants it.</summary>
    public void Serve(string policy, string type = "text/plain", int status = 200) => Answer = async context =>
    {
        context.Response.StatusCode = context.Request.Path == "/.well-known/mta-sts.txt" ? status : 404;
        context.Response.ContentType = type;
        await context.Response.WriteAsync(policy);
    };

    public async ValueTask DisposeAsync()
    {
        await _web.StopAsync();
        await _web.DisposeAsync();
    }
}
