using System.Collections.Immutable;

namespace GatewaySecure.Policies;

/// <summary>One thing a rule asks for. All conditions of a rule must hold; of the values of one condition, any.</summary>
public abstract record Condition
{
    private Condition() { }

    /// <summary>Needs header fields, so it can't be judged before DATA; and whoever writes the mail decides about it.</summary>
    public virtual bool NeedsContent => false;

    /// <summary>Whether it holds, and why or why not in plain words.</summary>
    /// <exception cref="InvalidOperationException">It needs content, and the facts have none yet.</exception>
    internal abstract (bool Holds, string Why) Judge(MailFacts facts);

    /// <summary>One line that stands for this condition alone, for the snapshot's version and for finding equal rules.</summary>
    internal abstract string Canonical { get; }

    public sealed record DirectionIs(ImmutableArray<Direction> AnyOf) : Condition
    {
        internal override string Canonical => "direction" + Policies.Canonical.Of(AnyOf.Select(d => d.ToString()));

        internal override (bool Holds, string Why) Judge(MailFacts facts) =>
            AnyOf.Contains(facts.Direction)
                ? (true, $"direction is {Word(facts.Direction)}")
                : (false, $"direction is {Word(facts.Direction)}, not {string.Join(" or ", AnyOf.Select(Word))}");

        private static string Word(Direction direction) => direction.ToString().ToLowerInvariant();
    }

    public sealed record SenderIs(ImmutableArray<AddressPattern> AnyOf) : Condition
    {
        internal override string Canonical => "sender" + Policies.Canonical.Of(AnyOf.Select(p => p.ToString()));

        internal override (bool Holds, string Why) Judge(MailFacts facts)
        {
            var shown = facts.Sender?.ToString() ?? "<>";
            return AnyOf.FirstOrDefault(p => p.Matches(facts.Sender)) is { } pattern
                ? (true, $"sender {shown} matches {pattern}")
                : (false, $"sender {shown} does not match {string.Join(" or ", AnyOf)}");
        }
    }

    public sealed record RecipientIs(ImmutableArray<AddressPattern> AnyOf) : Condition
    {
        internal override string Canonical => "recipient" + Policies.Canonical.Of(AnyOf.Select(p => p.ToString()));

        internal override (bool Holds, string Why) Judge(MailFacts facts) =>
            AnyOf.FirstOrDefault(p => p.Matches(facts.Recipient)) is { } pattern
                ? (true, $"recipient {facts.Recipient} matches {pattern}")
                : (false, $"recipient {facts.Recipient} does not match {string.Join(" or ", AnyOf)}");
    }

    /// <summary>What the mail's structure proves it to be.</summary>
    public sealed record KindIs(ImmutableArray<MailKind> AnyOf) : Condition
    {
        public override bool NeedsContent => true;

        internal override string Canonical => "kind" + Policies.Canonical.Of(AnyOf.Select(k => k.ToString()));

        internal override (bool Holds, string Why) Judge(MailFacts facts)
        {
            if (facts.Headers is null)
                throw new InvalidOperationException("The kind of a mail is not known before DATA.");
            return AnyOf.Contains(facts.Kind)
                ? (true, $"kind is {Word(facts.Kind)}")
                : (false, $"kind is {Word(facts.Kind)}, not {string.Join(" or ", AnyOf.Select(Word))}");
        }

        private static string Word(MailKind kind) => kind.ToString().ToLowerInvariant();
    }

    /// <summary>What the examination of mail from outside came to.</summary>
    public sealed record AuthenticatedIs(ImmutableArray<AuthenticationVerdict> AnyOf) : Condition
    {
        public override bool NeedsContent => true;

        internal override string Canonical => "authenticated" + Policies.Canonical.Of(AnyOf.Select(v => v.ToString()));

        internal override (bool Holds, string Why) Judge(MailFacts facts)
        {
            if (facts.Headers is null)
                throw new InvalidOperationException("Where a mail comes from is not known before DATA.");
            var known = facts.Authentication.IsEmpty ? [AuthenticationVerdict.NotExamined] : facts.Authentication;
            return AnyOf.Where(v => known.Contains(v)).Select(AuthenticationVerdicts.Word).FirstOrDefault() is { } word
                ? (true, $"authentication is {word}")
                : (false, $"authentication is {Words(known, " and ")}, not {Words(AnyOf, " or ")}");
        }

        private static string Words(IEnumerable<AuthenticationVerdict> verdicts, string between) =>
            string.Join(between, verdicts.Select(AuthenticationVerdicts.Word));
    }

    /// <summary>Some header field of that name, with a value that matches; without patterns: with any value. <c>subject</c> is one of them.</summary>
    public sealed record HeaderIs(string Name, ImmutableArray<TextPattern> AnyOf) : Condition
    {
        public override bool NeedsContent => true;

        internal override string Canonical => "header" + Policies.Canonical.Of([Name.ToLowerInvariant(), .. AnyOf.Select(p => p.ToString())]);

        internal override (bool Holds, string Why) Judge(MailFacts facts)
        {
            var headers = facts.Headers ?? throw new InvalidOperationException("Header fields are not known before DATA.");
            // The values themselves stay out of the words: they end up in logs and reports.
            var values = headers.Where(h => h.Name.Equals(Name, StringComparison.OrdinalIgnoreCase)).Select(h => h.Value).ToList();
            if (values.Count == 0)
                return (false, $"there is no {Name} field");
            if (AnyOf.IsEmpty)
                return (true, $"there is a {Name} field");
            return AnyOf.FirstOrDefault(p => values.Any(p.Matches)) is { } pattern
                ? (true, $"{Name} matches {pattern}")
                : (false, $"{Name} does not match {string.Join(" or ", AnyOf)}");
        }
    }
}
