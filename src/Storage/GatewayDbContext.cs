using Microsoft.EntityFrameworkCore;

namespace GatewaySecure.Storage;

/// <summary>Maps the tables of <see cref="Schema"/>; it does not create them.</summary>
internal sealed class GatewayDbContext(DbContextOptions<GatewayDbContext> options) : DbContext(options)
{
    public DbSet<PrincipalRow> Principals => Set<PrincipalRow>();

    public DbSet<AddressRow> Addresses => Set<AddressRow>();

    public DbSet<MasterKeyRow> MasterKeys => Set<MasterKeyRow>();

    public DbSet<AuditKeyRow> AuditKeys => Set<AuditKeyRow>();

    public DbSet<CardPointRow> CardPoints => Set<CardPointRow>();

    public DbSet<EscrowedKeyRow> EscrowedKeys => Set<EscrowedKeyRow>();

    public DbSet<CardRow> Cards => Set<CardRow>();

    public DbSet<IssueRow> Issues => Set<IssueRow>();

    public DbSet<CertificateRow> Certificates => Set<CertificateRow>();

    public DbSet<CrlRow> Crls => Set<CrlRow>();

    public DbSet<AuditRow> Audit => Set<AuditRow>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<PrincipalRow>(e =>
        {
            e.ToTable("principal").HasKey(r => r.Id);
            e.Property(r => r.Id).HasColumnName("id");
            e.Property(r => r.Kind).HasColumnName("kind");
            e.Property(r => r.Name).HasColumnName("name");
            e.Property(r => r.Status).HasColumnName("status");
            e.Property(r => r.StatusReason).HasColumnName("status_reason");
            e.Property(r => r.CardHold).HasColumnName("card_hold");
            e.Property(r => r.StatusSince).HasColumnName("status_since");
            e.Property(r => r.ExpiresAt).HasColumnName("expires_at");
            e.Property(r => r.Kvno).HasColumnName("kvno");
            e.Property(r => r.SenderDomains).HasColumnName("sender_domains");
            e.Property(r => r.Revision).HasColumnName("revision");
            e.Property(r => r.Certificates).HasColumnName("certificates");
            e.Property(r => r.ActiveFrom).HasColumnName("active_from");
            e.Property(r => r.DeletedAt).HasColumnName("deleted_at");
            e.Property(r => r.EnrolmentHash).HasColumnName("enrolment_hash");
            e.Property(r => r.EnrolmentUntil).HasColumnName("enrolment_until");
            e.HasMany(r => r.Addresses).WithOne().HasForeignKey(a => a.PrincipalId);
        });
        modelBuilder.Entity<AddressRow>(e =>
        {
            e.ToTable("principal_address").HasKey(r => r.Id);
            e.Property(r => r.Id).HasColumnName("id").ValueGeneratedOnAdd();
            e.Property(r => r.PrincipalId).HasColumnName("principal_id");
            e.Property(r => r.Key).HasColumnName("address_key");
            e.Property(r => r.Address).HasColumnName("address");
            e.Property(r => r.ValidFrom).HasColumnName("valid_from");
            e.Property(r => r.ValidUntil).HasColumnName("valid_until");
        });
        modelBuilder.Entity<MasterKeyRow>(e =>
        {
            e.ToTable("master_key").HasKey(r => new { r.PrincipalId, r.Kvno });
            e.Property(r => r.PrincipalId).HasColumnName("principal_id");
            e.Property(r => r.Kvno).HasColumnName("kvno");
            e.Property(r => r.Wrapped).HasColumnName("wrapped");
            e.HasOne<PrincipalRow>().WithMany().HasForeignKey(r => r.PrincipalId);
        });
        modelBuilder.Entity<AuditKeyRow>(e =>
        {
            e.ToTable("audit_key").HasKey(r => r.PrincipalId);
            e.Property(r => r.PrincipalId).HasColumnName("principal_id");
            e.Property(r => r.Key).HasColumnName("key");
            e.HasOne<PrincipalRow>().WithMany().HasForeignKey(r => r.PrincipalId);
        });
        modelBuilder.Entity<CardPointRow>(e =>
        {
            e.ToTable("card_point").HasKey(r => new { r.PrincipalId, r.Kvno });
            e.Property(r => r.PrincipalId).HasColumnName("principal_id");
            e.Property(r => r.Kvno).HasColumnName("kvno");
            e.Property(r => r.Point).HasColumnName("point");
            e.Property(r => r.Binding).HasColumnName("binding");
            e.HasOne<PrincipalRow>().WithMany().HasForeignKey(r => r.PrincipalId);
        });
        modelBuilder.Entity<EscrowedKeyRow>(e =>
        {
            e.ToTable("escrowed_key").HasKey(r => r.Id);
            e.Property(r => r.Id).HasColumnName("id");
            e.Property(r => r.PrincipalId).HasColumnName("principal_id");
            e.Property(r => r.Algorithm).HasColumnName("algorithm");
            e.Property(r => r.PublicKey).HasColumnName("public_key");
            e.Property(r => r.Wrapped).HasColumnName("wrapped");
            e.HasOne<PrincipalRow>().WithMany().HasForeignKey(r => r.PrincipalId);
        });
        CardRows.Map(modelBuilder);
        modelBuilder.Entity<IssueRow>(e =>
        {
            e.ToTable("issue_record").HasKey(r => new { r.IssuedAt, r.ContextHash });
            e.Property(r => r.IssuedAt).HasColumnName("issued_at");
            e.Property(r => r.ContextHash).HasColumnName("context_hash");
        });
        modelBuilder.Entity<CertificateRow>(e =>
        {
            e.ToTable("certificate").HasKey(r => r.Serial);
            e.Property(r => r.Serial).HasColumnName("serial");
            e.Property(r => r.HolderId).HasColumnName("holder_id");
            e.Property(r => r.Use).HasColumnName("use");
            e.Property(r => r.Der).HasColumnName("der");
            e.Property(r => r.NotAfter).HasColumnName("not_after");
            e.Property(r => r.RevokedAt).HasColumnName("revoked_at");
            e.Property(r => r.Reason).HasColumnName("reason");
        });
        modelBuilder.Entity<CrlRow>(e =>
        {
            e.ToTable("crl").HasKey(r => r.One);
            e.Property(r => r.One).HasColumnName("one").ValueGeneratedNever();
            e.Property(r => r.Number).HasColumnName("number");
            e.Property(r => r.Der).HasColumnName("der");
            e.Property(r => r.ThisUpdate).HasColumnName("this_update");
            e.Property(r => r.NextUpdate).HasColumnName("next_update");
        });
        modelBuilder.Entity<AuditRow>(e =>
        {
            e.ToTable("audit").HasKey(r => r.Sequence);
            e.Property(r => r.Sequence).HasColumnName("sequence").ValueGeneratedNever();
            e.Property(r => r.Event).HasColumnName("event");
            e.Property(r => r.Hash).HasColumnName("hash");
        });
    }
}
