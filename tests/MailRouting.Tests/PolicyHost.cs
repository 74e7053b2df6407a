using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace GatewaySecure.MailRouting.Tests;

/// <summary>A web server over TLS on loopback that a test gives its answers to.</summary>
internal sealed class PolicyHost : IAsyncDisposable
{
    private readonly WebApplication _web;
    private int _requests;

    private PolicyHost(WebApplication web) => _web = web;

    public int Port { get; private set; }

    public int Requests => _requests;

    public Func<HttpContext, Task> Answer { get; set; } = _ => Task.CompletedTask;

    public required X509Certificate2 Certificate { get; set; }

    public static async Task<PolicyHost> StartAsync(X509Certificate2 certificate, X509Certificate2 issuer)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        PolicyHost? host = null;
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(k => k.Listen(IPAddress.Loopback, 0, e => e.UseHttps(
            new TlsHandshakeCallbackOptions
            {
                OnConnection = _ => ValueTask.FromResult(new SslServerAuthenticationOptions
                {
                    ServerCertificateContext = SslStreamCertificateContext.Create(host!.Certificate, [issuer], offline: true),
                }),
            })));
        var web = builder.Build();
        host = new PolicyHost(web) { Certificate = certificate };
        web.Run(context =>
        {
            Interlocked.Increment(ref host._requests);
            return host.Answer(context);
        });
        await web.StartAsync();
        host.Port = new Uri(web.Urls.First()).Port;
        return host;
    }

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
