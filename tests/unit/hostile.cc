/* hostile: what hostile mails cost (hostile_mail.h): processor time and peak memory of each at a quarter and at the
 * whole of its size, through message.h with a compiled rule set. Not a test: times are for people.
 *
 *     hostile IMAGE [NAME-PART [PERCENT]]
 *     hostile --count RULES.cf      for hostile_linear.py: each mail small and four times as large, in this process
 *
 * Each mail is scanned in a child of its own, so that a crash or a peak is that mail's. */
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>

#include "scan/message.h"
#include "scan/ruleset.h"
#include "tests/unit/hostile_mail.h"
#include "tests/unit/mail_fixture.h"

namespace {

double
cpu_now()
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct cost {
    double seconds;
    size_t octets;
    long kib; /* that the process grew by */
    uint64_t events;
};

size_t
resident_peak()
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (size_t)r.ru_maxrss;
}

cost
scan(struct scanner *sc, const hostile::mail &mail, size_t n)
{
    std::vector<std::string> pieces;
    cost c = {};
    struct message *m = message_new(sc);
    message_mail(m, { (const uint8_t *)"a@b.example", 11 });
    size_t before = resident_peak();
    mail.write(n, [&](const std::string &piece) {
        double t = cpu_now();
        for (size_t off = 0; off < piece.size(); off += 65536)
            message_feed(m, (const uint8_t *)piece.data() + off, std::min<size_t>(65536, piece.size() - off));
        c.seconds += cpu_now() - t;
    });
    double t = cpu_now();
    const struct judgement *j = message_end(m);
    c.seconds += cpu_now() - t;
    c.octets = j->octets;
    c.events = j->events;
    message_free(m);
    c.kib = (long)(resident_peak() - before);
    return c;
}

std::string
events_text(uint64_t events)
{
    std::string to;
    for (int e = 0; e < EVENT_CNT; e++) {
        if (events & EVENT_BIT(e))
            to += std::string(to.empty() ? "" : " ") + event_name((enum event)e);
    }
    return to;
}

int
in_child(struct scanner *sc, const hostile::mail &mail, size_t n, cost *c)
{
    int ends[2], status = 0;
    if (pipe(ends))
        return -1;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        *c = scan(sc, mail, n);
        _exit(write(ends[1], c, sizeof(*c)) == sizeof(*c) ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    ssize_t got = read(ends[0], c, WIFEXITED(status) ? sizeof(*c) : 0);
    close(ends[0]);
    close(ends[1]);
    return got == sizeof(*c) && status == 0 ? 0 : -1;
}

/* Where callgrind writes down and forgets what was counted. */
extern "C" __attribute__((noinline)) void
hostile_mark(const char *name, size_t n)
{
    printf("%s %zu\n", name, n);
    fflush(stdout);
}

int
count(const char *file)
{
    struct scanner sc;
    struct ruleset *rs = load_rules({ file });
    if (!rs || scanner_init(&sc, 0, 1))
        return 1;
    sc.live = rs;
    scan(&sc, hostile::body("warm", 0, "text/html", "a b <b>c"), 100000);
    hostile_mark("warm", 0);
    for (const hostile::mail &mail : hostile::all()) {
        if (strstr(mail.name, "archive-zeros") || strstr(mail.name, "archive-nested"))
            continue; /* the writer costs more than the reader */
        /* Parts stay below their cap: what lies behind it is read in another way. */
        size_t n = std::min<size_t>(mail.full / 4, strncmp(mail.name, "parts", 5) ? 8192 : 240);
        if (mail.full == 100000)
            n = std::min<size_t>(n, 1000);
        for (size_t times : { 1, 4 }) {
            scan(&sc, mail, n * times);
            hostile_mark(mail.name, n * times);
        }
    }
    scanner_fini(&sc);
    ruleset_free(rs);
    return 0;
}

} // namespace

int
main(int argc, char **argv)
{
    if (argc < 2 || argc > 4) {
        fprintf(stderr, "usage: hostile IMAGE [NAME-PART [PERCENT]]\n");
        return 2;
    }
    if (argc == 3 && !strcmp(argv[1], "--count"))
        return count(argv[2]);
    std::ifstream f(argv[1], std::ios::binary);
    std::string image((std::istreambuf_iterator<char>(f)), {});
    char err[256] = "";
    struct ruleset *rs = ruleset_load(image.data(), image.size(), 1, 1, err, sizeof(err));
    struct scanner sc;
    if (!rs || scanner_init(&sc, 0, 1)) {
        fprintf(stderr, "%s: %s\n", argv[1], err);
        return 1;
    }
    image = std::string();
    sc.live = rs;
    size_t percent = argc > 3 ? std::stoul(argv[3]) : 100;
    scan(&sc, hostile::body("warm", 0, "text/html", "a b <b>c"), 100000);
    printf("%-24s %11s %9s %9s %6s %8s  %s\n", "mail", "octets", "s at 1/4", "s", "ratio", "MiB", "events");
    int bad = 0;
    for (const hostile::mail &mail : hostile::all()) {
        if (argc > 2 && !strstr(mail.name, argv[2]))
            continue;
        cost quarter, whole;
        size_t n = mail.full * percent / 100;
        if (in_child(&sc, mail, n / 4, &quarter) || in_child(&sc, mail, n, &whole)) {
            printf("%-24s died\n", mail.name);
            bad = 1;
            continue;
        }
        bool says = (whole.events & mail.events) == mail.events;
        printf("%-24s %11zu %9.3f %9.3f %6.1f %8.1f  %s%s\n", mail.name, whole.octets, quarter.seconds, whole.seconds,
               whole.seconds / quarter.seconds, (double)whole.kib / 1024, events_text(whole.events).c_str(),
               says ? "" : " SILENT");
        fflush(stdout);
        bad |= percent >= 100 && !says;
    }
    scanner_fini(&sc);
    ruleset_free(rs);
    return bad;
}
