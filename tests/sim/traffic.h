// traffic: mail as the statistic sees it, and what a push counts of it.
#ifndef WEIR_TESTS_SIM_TRAFFIC_H
#define WEIR_TESTS_SIM_TRAFFIC_H

#include "tests/sim/model.h"

namespace sim {

enum { SENDER_SUFFIXES = 1500, RCPT_DOMAINS = 2000, RCPT_SUFFIXES = 300, SENDER_DOMAINS = 50000 };

constexpr uint32_t NO_RULE = UINT32_MAX; // is told: strata of rules are left out

struct Mail {
    uint64_t sender_domain; // registrable; the unit
    uint32_t sender_suffix, rcpt_domain, rcpt_suffix;
    bool a_rejects, b_rejects;
    uint32_t rule; // of b, when only b rejects
};

// Sender suffixes, sender domains, recipient domains are Zipf distributed; a domain's suffix is always the same.
class Traffic {
  public:
    Traffic()
        : sender_suffix(Picker::zipf(SENDER_SUFFIXES, 1.1)), rcpt_suffix(Picker::zipf(RCPT_SUFFIXES, 1.2)),
          rcpt_domain(Picker::zipf(RCPT_DOMAINS, 1.0)), sender_domain(Picker::zipf(SENDER_DOMAINS, 1.0))
    {
        Random random(1);
        for (uint32_t i = 0; i < RCPT_DOMAINS; i++)
            suffix_of_rcpt.push_back(rcpt_suffix.pick(random));
        for (uint32_t i = 0; i < SENDER_DOMAINS; i++)
            suffix_of_sender.push_back(sender_suffix.pick(random));
    }

    // Each from a sender of its own: a mail is a unit.
    Mail fresh(Random &random)
    {
        Mail m{};
        m.sender_domain = ++last_domain;
        m.sender_suffix = sender_suffix.pick(random);
        set_rcpt(m, rcpt_domain.pick(random));
        return m;
    }

    // From one of 50,000 senders.
    Mail from_population(Random &random)
    {
        Mail m{};
        m.sender_domain = sender_domain.pick(random);
        m.sender_suffix = suffix_of_sender[m.sender_domain];
        set_rcpt(m, rcpt_domain.pick(random));
        return m;
    }

    void set_rcpt(Mail &m, uint32_t domain)
    {
        m.rcpt_domain = domain;
        m.rcpt_suffix = suffix_of_rcpt[domain];
    }

    uint32_t suffix_of_domain(uint64_t sender_domain) const { return suffix_of_sender[sender_domain % SENDER_DOMAINS]; }

    Picker sender_suffix, rcpt_suffix, rcpt_domain, sender_domain;

  private:
    std::vector<uint32_t> suffix_of_rcpt, suffix_of_sender;
    uint64_t last_domain = uint64_t{1} << 32;
};

// One registrable sender domain counts once in each stratum. A rule's count needs a new unit of ALL.
inline const Trips &
deliver(Push &push, Once &once, const Mail &m)
{
    auto is_first = [&](link_kind kind, uint64_t id) {
        return once.is_first((m.sender_domain * 8 + kind) * 4096 + id);
    };
    if (m.a_rejects) {
        if (is_first(LINK_KIND_MIRROR, 0))
            push.unit_mirror(!m.b_rejects);
        return push.look();
    }
    bool is_bad = push.is_bad(m.b_rejects);
    if (is_first(LINK_KIND_ALL, 0)) {
        push.unit_all(is_bad);
        if (m.b_rejects && m.rule != NO_RULE)
            push.hit(m.rule);
    }
    if (is_first(LINK_KIND_SENDER_SUFFIX, m.sender_suffix))
        push.unit(LINK_KIND_SENDER_SUFFIX, m.sender_suffix, is_bad);
    if (is_first(LINK_KIND_RCPT_SUFFIX, m.rcpt_suffix))
        push.unit(LINK_KIND_RCPT_SUFFIX, m.rcpt_suffix, is_bad);
    if (is_first(LINK_KIND_RCPT_DOMAIN, m.rcpt_domain))
        push.unit(LINK_KIND_RCPT_DOMAIN, m.rcpt_domain, is_bad);
    return push.look();
}

// The same without senders that come again.
inline const Trips &
deliver_unit(Push &push, const Mail &m)
{
    bool is_bad = push.is_bad(m.b_rejects);
    push.unit_all(is_bad);
    if (m.b_rejects)
        push.hit(m.rule);
    push.unit(LINK_KIND_SENDER_SUFFIX, m.sender_suffix, is_bad);
    push.unit(LINK_KIND_RCPT_SUFFIX, m.rcpt_suffix, is_bad);
    push.unit(LINK_KIND_RCPT_DOMAIN, m.rcpt_domain, is_bad);
    return push.look();
}

// ---- good generations on the edge of the null ----

struct NullCount {
    unsigned pushes = 0, plain = 0, m = 0, table = 0, mirror_error = 0, any = 0;
    double off = 0; // the model from evidence_read, at most
    void add(const NullCount &o)
    {
        pushes += o.pushes, plain += o.plain, m += o.m, table += o.table, mirror_error += o.mirror_error, any += o.any;
        off = std::max(off, o.off);
    }
};

// Null hypotheses on their edge: EDGE_ALL: every stratum's chance is rho (and so ALL's, whose rho is raised to it);
// EDGE_HALF: suffixes with half of the mail have rho, the others none, so ALL is on its own edge, which is half of that.
enum Edge { EDGE_ALL, EDGE_HALF };

inline NullCount
null_push(Traffic &traffic, Push &push, uint64_t seed, unsigned messages, Edge edge, const std::vector<bool> &is_hot)
{
    Random random(seed);
    NullCount c;
    unsigned rules = 1 + static_cast<unsigned>(seed % 3) * 4; // 1: that rule is on its edge too; 5, 9
    double rho = push.settings.rho_stratum;
    push.begin(0);
    for (unsigned i = 0; i < messages; i++) {
        Mail m = traffic.fresh(random);
        m.b_rejects = (edge == EDGE_ALL || is_hot[m.sender_suffix]) && random.chance(rho);
        m.rule = random.below(rules);
        deliver_unit(push, m);
        push.unit_mirror(random.chance(push.settings.rho_mirror));
        push.unit_error(random.chance(push.settings.rho_error));
        push.look();
    }
    const Trips &t = push.look();
    c.pushes = 1;
    c.plain = t.m_plain, c.m = t.m, c.table = t.table, c.mirror_error = t.mirror_error, c.any = t.any();
    if (seed % 50 == 0)
        c.off = push.verify();
    return c;
}

// Suffixes with just under half of the mail.
inline std::vector<bool>
half_of_suffixes(uint64_t seed)
{
    Random random(seed);
    std::vector<bool> is_hot(SENDER_SUFFIXES);
    double sum = 0, all = 0;
    for (unsigned i = 0; i < SENDER_SUFFIXES; i++)
        all += std::pow(i + 1, -1.1);
    for (unsigned i = 0; i < SENDER_SUFFIXES; i++) {
        double share = std::pow(i + 1, -1.1) / all;
        if (sum + share <= 0.5 && random.chance(0.8)) {
            is_hot[i] = true;
            sum += share;
        }
    }
    return is_hot;
}

inline evidence_settings
edge_settings(double alpha, Edge edge)
{
    evidence_settings s = evidence_settings_default;
    s.alpha = alpha;
    if (edge == EDGE_ALL)
        s.rho_all = s.rho_stratum;
    return s;
}

} // namespace sim

#endif
