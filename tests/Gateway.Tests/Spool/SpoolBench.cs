using System.Security.Cryptography;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Policies;
using GatewaySecure.Smtp;
using GatewaySecure.TestKit;

namespace GatewaySecure.Gateway.Tests.Spool;

/// <summary>A spool in a folder of its own, which can be opened again as after a restart.</summary>
internal sealed class SpoolBench : IDisposable
{
    private readonly TempDirectory _folder = new();
    private readonly TimeProvider _time;

    public SpoolBench(SpoolOptions? options = null, TimeProvider? time = null)
    {
        _time = time ?? TimeProvider.System;
        Options = options ?? new SpoolOptions(MinimumFreeSpace: 0);
        Spool = Reopen();
    }

    public SpoolOptions Options { get; }

    public TestSpoolKey Key { get; } = new();

    public MailSpool Spool { get; private set; }

    public string Root => _folder["spool"];

    public string Queue => Path.Combine(Root, "queue");

    public string Incoming => Path.Combine(Root, "incoming");

    public string Aside => Path.Combine(Root, "aside");

    public static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static AcceptedMail Mail { get; } = new()
    {
        AcceptedAt = new DateTimeOffset(2026, 3, 1, 12, 0, 0, 123, TimeSpan.Zero),
        Envelope = new Envelope
        {
            Sender = MailAddress.Parse("marker-sender@inside.example"),
            Recipients =
            [
                new EnvelopeRecipient(MailAddress.Parse("marker-one@partner.example"), DsnNotify.Failure | DsnNotify.Delay, "rfc822;x@y.example"),
                new EnvelopeRecipient(MailAddress.Parse("\"marker two\"@bücher.example")),
            ],
            Body = BodyType.EightBitMime,
            SmtpUtf8 = true,
            DeclaredSize = 77,
            Return = DsnReturn.Headers,
            EnvelopeId = "envelope-1",
        },
        Decisions = [Decide("first"), Decide("second") with { Methods = [], Action = DecisionAction.Hold }],
        Session = new SessionFacts("192.0.2.7", "client.example", "marker-account", SenderEvidence.Authenticated, FromInside: true),
        HoldsEightBit = true,
    };

    public MailSpool Reopen() => Spool = MailSpool.Open(Root, Key, Options, _time);

    public async Task<SpooledMail> PutAsync(byte[] content)
    {
        await using var writer = Spool.Begin();
        await writer.WriteAsync(content, Cancel);
        return await writer.CommitAsync(Mail, Cancel);
    }

    public string MailFile(SpooledMail item) => Path.Combine(Queue, item.Id + ".mail");

    public string LogFile(SpooledMail item) => Path.Combine(Queue, item.Id + ".log");

    /// <summary>Puts one file where it was, with other octets, and empties the folder for what is set aside.</summary>
    public RecoveredSpool RecoverWith(string file, byte[] octets)
    {
        foreach (var old in Directory.GetFiles(Aside))
            File.Delete(old);
        File.WriteAllBytes(file, octets);
        return Reopen().Recover();
    }

    public static byte[] Random(int length) => RandomNumberGenerator.GetBytes(length);

    public static byte[] ReadAll(SpooledMail item)
    {
        using var stream = item.Content.OpenRead();
        using var all = new MemoryStream();
        stream.CopyTo(all);
        return all.ToArray();
    }

    /// <summary>What comes out before the reader refuses, if it does.</summary>
    public static (byte[] Octets, bool Refused) ReadUntilRefused(SpooledMail item)
    {
        using var stream = item.Content.OpenRead();
        using var all = new MemoryStream();
        var buffer = new byte[1000];
        try
        {
            for (int count; (count = stream.Read(buffer)) > 0;)
                all.Write(buffer, 0, count);
        }
        catch (InvalidDataException)
        {
            return (all.ToArray(), true);
        }
        return (all.ToArray(), false);
    }

    public void Dispose() => _folder.Dispose();

    private static Decision Decide(string rule) => new()
    {
        Rule = rule,
        PolicyVersion = "v1",
        Methods = [ProtectionMethod.Ca, ProtectionMethod.Kdc],
        Action = DecisionAction.Protect,
        Reason = "Because the rule says so.",
    };
}

/// <summary>AES-GCM under a random key, the context authenticated.</summary>
internal sealed class TestSpoolKey : ISpoolKey
{
    private readonly byte[] _key = RandomNumberGenerator.GetBytes(32);

    public byte[] Wrap(ReadOnlySpan<byte> dataKey, ReadOnlySpan<byte> context)
    {
        var wrapped = new byte[12 + dataKey.Length + 16];
        RandomNumberGenerator.Fill(wrapped.AsSpan(0, 12));
        using var gcm = new AesGcm(_key, 16);
        gcm.Encrypt(wrapped.AsSpan(0, 12), dataKey, wrapped.AsSpan(12, dataKey.Length), wrapped.AsSpan(12 + dataKey.Length), context);
        return wrapped;
    }

    public byte[] Unwrap(ReadOnlySpan<byte> wrapped, ReadOnlySpan<byte> context)
    {
        if (wrapped.Length < 28)
            throw new CryptographicException("Too short.");
        var dataKey = new byte[wrapped.Length - 28];
        using var gcm = new AesGcm(_key, 16);
        gcm.Decrypt(wrapped[..12], wrapped[12..^16], wrapped[^16..], dataKey, context);
        return dataKey;
    }
}
