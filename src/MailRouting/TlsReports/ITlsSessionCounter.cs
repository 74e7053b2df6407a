namespace GatewaySecure.MailRouting.TlsReports;

/// <summary>Is told of each session, for the daily reports.</summary>
public interface ITlsSessionCounter
{
    void Count(TlsSession session);
}

/// <summary>Where reports are not wanted.</summary>
public sealed class NoTlsSessionCounter : ITlsSessionCounter
{
    public void Count(TlsSession session)
    {
        // Nobody is to be told.
    }
}
