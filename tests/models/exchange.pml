/*
 * The KDC exchange under an attacker who owns the network and is an employee himself: he reads, drops, replays and
 * composes. Cryptography is perfect: a key is known or it is not. Checked with spin; docs/kdc.md has the table of results,
 * ExchangeModelTests runs it.
 *
 * A sends content 1 and then content 2. C is an honest recipient, M is the attacker, with a card and tickets of his own.
 * Without any of the switches this is the paper's exchange (§2-1). Ours has all four:
 *   MAC         a request is authenticated, under a challenge that is good once
 *   NONCE       the reply says which request it answers
 *   BIND        the reply names recipients and commitment, and its seal covers the tickets
 *   COMMITMENT  a ticket names the one content it is good for
 * LEAK lets the attacker learn the session keys of yesterday's mail (Denning and Sacco).
 * CHECK_… chooses the promise that is checked.
 */
#ifdef MAC
#define WITHOUT_MAC 0
#else
#define WITHOUT_MAC 1
#endif
#ifdef NONCE
#define WITHOUT_NONCE 0
#else
#define WITHOUT_NONCE 1
#endif
#ifdef BIND
#define WITHOUT_BIND 0
#else
#define WITHOUT_BIND 1
#endif
#ifdef COMMITMENT
#define WITHOUT_COMMITMENT 0
#else
#define WITHOUT_COMMITMENT 1
#endif

#define A 1
#define M 3
#define FORGED 3          /* content that A never wrote */
#define SESSIONS 3        /* what the KDC issues at the most */

typedef Session {         /* one answer of the KDC: reply for the requester, ticket for C, ticket for M; its key has the session's number */
    byte requester;
    bool forC;
    bool forM;
    byte nonce;           /* the nonce: A's run, or 0 */
    byte content;         /* the commitment */
    bool today;           /* T_S */
}
Session issued[4];
byte sessions;            /* how many there are */
bool known[4];            /* session keys that the attacker has */

typedef Run {             /* one mail of A */
    bool forC;
    bool forM;
    bool asked;
    bool answered;        /* its request was used at the KDC */
    byte key;             /* the mail is on the network, encrypted under this session's key; 0: not yet */
    byte ticket;          /* with the ticket of this session for C */
}
Run runs[3];              /* 1 and 2 */
byte current;             /* A's run, 0 before */
bool today;

inline issue(who, c, m, number, what)
{
    sessions++;
    issued[sessions].requester = who;
    issued[sessions].forC = c;
    issued[sessions].forM = m;
    issued[sessions].nonce = number;
    issued[sessions].content = what;
    issued[sessions].today = today;
    known[sessions] = (m || who == M)
}

/* A, given the reply of session s and, beside it, C's ticket of session t. */
inline reply(s, t)
{
    if
    :: issued[s].requester == A && issued[t].forC && issued[s].today == today &&
       (WITHOUT_NONCE || issued[s].nonce == current) &&
       (WITHOUT_BIND || (s == t && issued[s].content == current &&
                         issued[s].forC == runs[current].forC && issued[s].forM == runs[current].forM)) ->
#ifdef CHECK_FRESHNESS
       assert(issued[s].nonce == current);                      /* never somebody's old answer */
#endif
       runs[current].key = s;
       runs[current].ticket = t;
#ifdef CHECK_SECRECY
       assert(!known[s] || runs[current].forM);               /* the attacker reads only what was meant for him */
#endif
    :: else
    fi
}

/* C's card, given {what} under a key, and a ticket of session t. */
inline open(what, under, t)
{
    if
    :: issued[t].forC && under == t && issued[t].requester == A && (WITHOUT_COMMITMENT || issued[t].content == what) ->
#ifdef CHECK_FORGERY
       assert(what != FORGED);                                /* what is shown as A's was written by A … */
       assert(runs[what].key != 0 && runs[what].forC);        /* … and meant for C */
#endif
#ifdef CHECK_REACHABLE
       assert(what != 2);                                     /* must fail: honest mail does arrive */
#endif
       skip
    :: else
    fi
}

inline choose(variable, from, to)
{
    select(variable : from .. to)
}

active proctype World()
{
    byte s, t, what;
    bool c, m;
    runs[1].forC = 1;
#ifdef SHARED
    runs[1].forM = 1;                                         /* C and M both receive content 1 */
#endif
    runs[2].forC = 1;

    do
    :: atomic {                                               /* A asks for her next mail */
        current == 0 || (current == 1 && runs[1].key != 0) -> current++; runs[current].asked = 1 }

    :: atomic {                                               /* A's request arrives as it was sent */
        sessions < SESSIONS && current > 0 && runs[current].asked && (WITHOUT_MAC || !runs[current].answered) ->
        runs[current].answered = 1; issue(A, runs[current].forC, runs[current].forM, current, current) }

    :: atomic {                                               /* a request in A's name, changed or made up */
        WITHOUT_MAC && sessions < SESSIONS -> choose(what, 1, 3); choose(c, 0, 1); choose(m, 0, 1); choose(s, 0, 2);
        issue(A, c, m, s, what) }

    :: atomic {                                               /* the attacker's own request, in his own name */
        sessions < SESSIONS -> choose(what, 1, 3); issue(M, 1, 1, 0, what) }

    :: atomic {                                               /* some reply, with some ticket beside it, comes to A */
        sessions > 0 && current > 0 && runs[current].key == 0 ->
        choose(s, 1, sessions); choose(t, 1, sessions); reply(s, t) }

    :: atomic {                                               /* A's own ciphertext, with some ticket, comes to C */
        sessions > 0 && runs[1].key != 0 -> choose(what, 1, 2); choose(t, 1, sessions);
        if :: runs[what].key != 0 -> s = runs[what].key; open(what, s, t) :: else fi }

    :: atomic {                                               /* the attacker's ciphertext, under a key he knows, comes to C */
        sessions > 0 -> choose(s, 1, sessions); choose(t, 1, sessions);
        if :: known[s] -> open(FORGED, s, t) :: else fi }

    :: atomic { !today -> today = 1 }

#ifdef LEAK
    :: atomic {                                               /* yesterday's keys become known */
        today && sessions > 0 -> choose(s, 1, sessions);
        if :: !issued[s].today -> known[s] = 1 :: else fi }
#endif
    od
}
