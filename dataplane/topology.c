#include "dataplane/topology.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <numa.h>

static void __attribute__((format(printf, 2, 3)))
add(struct topology *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t room = sizeof(t->text) - t->text_len;
    int len = vsnprintf(t->text + t->text_len, room, format, args);
    va_end(args);
    /* The file's text is bounded (CONFIG_TEXT_MAX each), so both always fit; topology_init checks. */
    if (t->argc < EAL_ARGS_MAX && len >= 0 && (size_t)len < room) {
        t->argv[t->argc] = t->text + t->text_len;
        t->text_len += (size_t)len + 1;
    }
    t->argc++;
}

static bool
has_hex(const char **at, unsigned digits)
{
    for (; digits > 0; digits--) {
        if (!isxdigit((unsigned char)*(*at)++))
            return false;
    }
    return true;
}

bool
device_is_pci(const char *device)
{
    const char *at = device;
    if (!(has_hex(&at, 4) && *at++ == ':'))
        at = device;
    return has_hex(&at, 2) && *at++ == ':' && has_hex(&at, 2) && *at++ == '.' && *at >= '0' && *at <= '7' &&
           (at[1] == '\0' || at[1] == ',');
}

void
device_name(const char *device, char *name, size_t size)
{
    const char *domain = device_is_pci(device) && device[2] == ':' ? "0000:" : "";
    snprintf(name, size, "%s%.*s", domain, (int)strcspn(device, ","), device);
}

static bool
huge_pages_are_free(void)
{
    static const char folder[] = "/sys/kernel/mm/hugepages";
    DIR *d = opendir(folder);
    unsigned long total = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[320];
        unsigned long n = 0;
        snprintf(path, sizeof(path), "%s/%s/free_hugepages", folder, e->d_name);
        FILE *f = e->d_name[0] == '.' ? NULL : fopen(path, "re");
        if (f && fscanf(f, "%lu", &n) == 1)
            total += n;
        if (f)
            fclose(f);
    }
    if (d)
        closedir(d);
    return total > 0;
}

/* The file's own arguments, less those that place lcores. */
static void
add_given(struct topology *t, const char *args)
{
    char *copy = strdup(args), *save = NULL;
    bool skip_value = false;
    for (char *word = strtok_r(copy, " \t", &save); word; word = strtok_r(NULL, " \t", &save)) {
        static const char *const placing[] = {"-l", "-c", "--lcores", "--main-lcore"};
        bool skip = skip_value;
        skip_value = false;
        for (size_t i = 0; i < sizeof(placing) / sizeof(*placing) && !skip; i++) {
            size_t len = strlen(placing[i]);
            if (strncmp(word, placing[i], len) != 0)
                continue;
            bool is_long = len > 2;
            if (is_long && word[len] != '\0' && word[len] != '=')
                continue;
            skip = true;
            skip_value = word[len] == '\0';
        }
        if (!skip)
            add(t, "%s", word);
    }
    free(copy);
}

static bool
has_word(const char *text, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = text; (at = strstr(at, word)); at += len) {
        if ((at == text || at[-1] == ' ') && strchr(" =", at[len]))
            return true;
    }
    return false;
}

static void
add_devices(struct topology *t, const struct config *c)
{
    for (int i = 0; i < PAIR_MAX; i++) {
        const struct config_pair *p = &c->pair[i];
        for (int side = OUTSIDE; p->is_set && side <= INSIDE; side++) {
            const char *device = side == OUTSIDE ? p->outside : p->inside;
            if (side == INSIDE && config_pair_is_one_armed(p))
                continue;
            if (device_is_pci(device)) {
                add(t, "-a");
                add(t, "%s", device);
            } else {
                add(t, "--vdev=%s", device);
            }
        }
    }
}

static bool
any_pci(const struct config *c)
{
    for (int i = 0; i < PAIR_MAX; i++) {
        if (c->pair[i].is_set && (device_is_pci(c->pair[i].outside) || device_is_pci(c->pair[i].inside)))
            return true;
    }
    return false;
}

/* "(0,1,5)": the CPUs that this process may use. */
static void
allowed_cpus(const cpu_set_t *allowed, char *text, size_t size)
{
    size_t len = 0;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE && len < size - 8; cpu++) {
        if (CPU_ISSET(cpu, allowed))
            len += (size_t)snprintf(text + len, size - len, "%c%u", len ? ',' : '(', cpu);
    }
    snprintf(text + len, size - len, ")");
}

/* Asks the kernel, by going there and back. The affinity that we were started with does not say it: isolcpus
 * takes the very CPUs out of it that are meant for workers. */
static bool
may_run_on(unsigned cpu, const cpu_set_t *back)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    int err = sched_setaffinity(0, sizeof(one), &one) == 0 ? 0 : errno;
    sched_setaffinity(0, sizeof(*back), back);
    if (err == 0)
        return true;
    char folder[64];
    snprintf(folder, sizeof(folder), "/sys/devices/system/cpu/cpu%u", cpu);
    fprintf(stderr, "weir: [workers] cpus: CPU %u: %s\n", cpu,
            access(folder, F_OK) != 0 ? "this machine has none of that number (lscpu -e lists them)"
            : err == EINVAL           ? "it is offline, or not in this process's cpuset (cgroup)"
                                      : strerror(err));
    return false;
}

static void
add_lcores(struct topology *t, const struct config *c, const cpu_set_t *allowed)
{
    char shared[4096], map[8192];
    cpu_set_t workers;
    CPU_ZERO(&workers);
    for (unsigned i = 0; i < c->cpus_cnt; i++)
        CPU_SET(c->cpus[i], &workers);
    allowed_cpus(c->cpus_cnt ? &workers : allowed, shared, sizeof(shared));
    size_t len = (size_t)snprintf(map, sizeof(map), "--lcores=0@%s", shared);
    for (unsigned i = 0; i < t->workers_cnt; i++) {
        if (t->cpu[i] < 0)
            len += (size_t)snprintf(map + len, sizeof(map) - len, ",%u@%s", topology_lcore(i), shared);
        else
            len += (size_t)snprintf(map + len, sizeof(map) - len, ",%u@%d", topology_lcore(i), t->cpu[i]);
    }
    add(t, "%s", map);
    add(t, "--main-lcore=0");
}

int
topology_init(struct topology *t, const struct config *c)
{
    memset(t, 0, sizeof(*t));
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) {
        fprintf(stderr, "weir: cannot read the CPUs of this process: %s\n", strerror(errno));
        return -1;
    }
    t->workers_cnt = c->cpus_cnt ? c->cpus_cnt : 1;
    for (unsigned i = 0; i < t->workers_cnt; i++) {
        t->cpu[i] = c->cpus_cnt ? c->cpus[i] : -1;
        t->node[i] = t->cpu[i] >= 0 && numa_available() >= 0 ? numa_node_of_cpu(t->cpu[i]) : -1;
        if (t->cpu[i] >= 0 && !may_run_on((unsigned)t->cpu[i], &allowed))
            return -1;
    }
    t->has_huge = huge_pages_are_free();
    add(t, "weir-dataplane");
    add_lcores(t, c, &allowed);
    if (*c->eal_args) {
        add_given(t, c->eal_args);
    } else {
        if (!any_pci(c))
            add(t, "--no-pci");
        if (t->has_huge) {
            add(t, "--in-memory");
            add(t, "--iova-mode=va");
        } else {
            add(t, "--no-huge");
            add(t, "-m");
            add(t, "512");
        }
    }
    if (*c->file_prefix && !has_word(c->eal_args, "--file-prefix"))
        add(t, "--file-prefix=%s", c->file_prefix);
    add_devices(t, c);
    if (t->argc > EAL_ARGS_MAX || t->text_len > sizeof(t->text) - CONFIG_TEXT_MAX) {
        fprintf(stderr, "weir: [eal] args: more than %d arguments\n", EAL_ARGS_MAX);
        return -1;
    }
    t->argv[t->argc] = NULL;
    return 0;
}
