using System.Collections.Immutable;
using GatewaySecure.Addresses;
using GatewaySecure.KdcCore;
using Microsoft.EntityFrameworkCore;

namespace GatewaySecure.Storage;

/// <summary>One issuing of a card, and how it stands. Numbers are those of KdcCore's enumerations.</summary>
internal sealed class CardRow
{
    /// <summary>What stands in place of an address that was forgotten.</summary>
    public const string Forgotten = "forgotten@card.invalid";

    public required string Id { get; init; }

    public required string HolderId { get; init; }

    public required string Address { get; set; }

    /// <summary>Counts issuings of all cards.</summary>
    public long Order { get; init; }

    public int Model { get; init; }

    public required string Serial { get; init; }

    public bool HasAesSlot { get; init; }

    public int Algorithm { get; init; }

    public long? Until { get; init; }

    public int Generation { get; init; }

    public int Step { get; set; }

    public int Standing { get; set; }

    public long Since { get; set; }

    public required byte[] EscrowId { get; init; }

    public int Kvno { get; set; }

    public string? Reason { get; set; }

    public string? Receipt { get; set; }

    public byte[]? ReceiptSignature { get; set; }

    public long Revision { get; set; }

    public List<CardKeyRow> Keys { get; init; } = [];
}

/// <summary>A key of a card.</summary>
internal sealed class CardKeyRow
{
    public required string CardId { get; init; }

    public int Use { get; init; }

    public required byte[] PublicKey { get; set; }

    public string? Certificate { get; set; }

    public byte[]? Request { get; set; }
}

/// <summary>Cards between rows and KdcCore's values, and how they are written.</summary>
internal static class CardRows
{
    public static void Map(ModelBuilder model)
    {
        model.Entity<CardRow>(e =>
        {
            e.ToTable("card").HasKey(r => r.Id);
            e.Property(r => r.Id).HasColumnName("id");
            e.Property(r => r.HolderId).HasColumnName("holder_id");
            e.Property(r => r.Address).HasColumnName("address");
            e.Property(r => r.Order).HasColumnName("ordered");
            e.Property(r => r.Model).HasColumnName("model");
            e.Property(r => r.Serial).HasColumnName("serial");
            e.Property(r => r.HasAesSlot).HasColumnName("has_aes_slot");
            e.Property(r => r.Algorithm).HasColumnName("algorithm");
            e.Property(r => r.Until).HasColumnName("until");
            e.Property(r => r.Generation).HasColumnName("generation");
            e.Property(r => r.Step).HasColumnName("step");
            e.Property(r => r.Standing).HasColumnName("standing");
            e.Property(r => r.Since).HasColumnName("since");
            e.Property(r => r.EscrowId).HasColumnName("escrow_id");
            e.Property(r => r.Kvno).HasColumnName("kvno");
            e.Property(r => r.Reason).HasColumnName("reason");
            e.Property(r => r.Receipt).HasColumnName("receipt");
            e.Property(r => r.ReceiptSignature).HasColumnName("receipt_signature");
            e.Property(r => r.Revision).HasColumnName("revision");
            e.HasOne<PrincipalRow>().WithMany().HasForeignKey(r => r.HolderId);
            e.HasMany(r => r.Keys).WithOne().HasForeignKey(k => k.CardId);
        });
        model.Entity<CardKeyRow>(e =>
        {
            e.ToTable("card_key").HasKey(r => new { r.CardId, r.Use });
            e.Property(r => r.CardId).HasColumnName("card_id");
            e.Property(r => r.Use).HasColumnName("use");
            e.Property(r => r.PublicKey).HasColumnName("public_key");
            e.Property(r => r.Certificate).HasColumnName("certificate");
            e.Property(r => r.Request).HasColumnName("request");
        });
    }

    public static CardRecord ToRecord(this CardRow row) => new(
        CardId.TryParse(row.Id, out var id) ? id : throw new InvalidDataException("A stored card id is damaged."),
        RowMapping.ToId(row.HolderId),
        new CardOrder(
            MailAddress.Parse(row.Address), (CardModel)row.Model, row.Serial, row.HasAesSlot, (CardAlgorithm)row.Algorithm,
            row.Until is { } until ? RowMapping.Time(until) : null),
        row.Generation, (CardStep)row.Step, (CardStanding)row.Standing, RowMapping.Time(row.Since), row.EscrowId, row.Kvno, row.Reason, row.Revision)
    {
        Keys = [.. row.Keys.OrderBy(k => k.Use).Select(k => new CardKeyRecord((CardKeyUse)k.Use, k.PublicKey, k.Certificate) { Request = k.Request })],
        Receipt = row.Receipt is { } text ? new CardReceipt(text, row.ReceiptSignature ?? []) : null,
    };

    /// <summary>Within the transaction that adds the line which speaks of it.</summary>
    public static async Task SaveAsync(GatewayDbContext db, CardRecord card)
    {
        var id = card.Id.ToString();
        var row = await db.Cards.Include(c => c.Keys).SingleOrDefaultAsync(c => c.Id == id);
        if ((row?.Revision ?? 0) != card.Revision)
            throw new StaleRecordException($"The record of card {card.Order.Serial} was changed meanwhile.");
        if (row is null)
        {
            row = new CardRow
            {
                Order = 1 + (await db.Cards.MaxAsync(c => (long?)c.Order) ?? 0),
                Id = id, HolderId = card.Holder.ToString(), Address = card.Order.Address.ToString(), Model = (int)card.Order.Model, Serial = card.Order.Serial,
                HasAesSlot = card.Order.HasAesSlot, Algorithm = (int)card.Order.Algorithm, Until = card.Order.Until?.ToUnixTimeSeconds(),
                Generation = card.Generation, EscrowId = card.EscrowId.ToArray(),
            };
            db.Cards.Add(row);
        }
        row.Step = (int)card.Step;
        row.Standing = (int)card.Standing;
        row.Since = card.Since.ToUnixTimeSeconds();
        row.Kvno = card.Kvno;
        row.Reason = card.Reason;
        row.Receipt = card.Receipt?.Text;
        row.ReceiptSignature = card.Receipt?.Signature.ToArray();
        row.Revision = card.Revision + 1;
        row.Keys.RemoveAll(k => card.Keys.All(n => (int)n.Use != k.Use));
        foreach (var key in card.Keys)
        {
            if (row.Keys.FirstOrDefault(k => k.Use == (int)key.Use) is not { } known)
                row.Keys.Add(known = new CardKeyRow { CardId = id, Use = (int)key.Use, PublicKey = [] });
            (known.PublicKey, known.Certificate, known.Request) = (key.PublicKey.ToArray(), key.Certificate, key.Request.IsEmpty ? null : key.Request.ToArray());
        }
    }
}

/// <summary>Cards out of the database.</summary>
internal sealed class CardStore(DbContextOptions<GatewayDbContext> options) : ICardStore
{
    public async ValueTask<CardRecord?> FindAsync(CardId id, CancellationToken cancellationToken)
    {
        var text = id.ToString();
        return (await ReadAsync(q => q.Where(c => c.Id == text), cancellationToken)).SingleOrDefault();
    }

    public ValueTask<ImmutableArray<CardRecord>> OfCardAsync(CardModel model, string serial, CancellationToken cancellationToken) =>
        ReadAsync(q => q.Where(c => c.Model == (int)model && c.Serial == serial), cancellationToken);

    public ValueTask<ImmutableArray<CardRecord>> OfHolderAsync(PrincipalId holder, CancellationToken cancellationToken)
    {
        var id = holder.ToString();
        return ReadAsync(q => q.Where(c => c.HolderId == id), cancellationToken);
    }

    public ValueTask<ImmutableArray<CardRecord>> InStandingAsync(CardStanding standing, CancellationToken cancellationToken) =>
        ReadAsync(q => q.Where(c => c.Standing == (int)standing), cancellationToken);

    private async ValueTask<ImmutableArray<CardRecord>> ReadAsync(Func<IQueryable<CardRow>, IQueryable<CardRow>> which, CancellationToken cancellationToken)
    {
        await using var db = new GatewayDbContext(options);
        var rows = await which(db.Cards.AsNoTracking().Include(c => c.Keys)).OrderBy(c => c.Order).ToListAsync(cancellationToken);
        return [.. rows.Select(r => r.ToRecord())];
    }
}
